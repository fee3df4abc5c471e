/** The sink that a setting names. */
import type { DeliveryWorkerData } from '../../peer/delivery.ts';
import { FileSink } from './file-sink.ts';
import type { Sink } from './sink.ts';
import { WebhookSink } from './webhook-sink.ts';

export async function openSink({ settings, node }: Pick<DeliveryWorkerData, 'settings' | 'node'>): Promise<Sink> {
  const { sink, token, timeoutMs, fileBytesMax } = settings;
  if (sink.startsWith('file:')) return new FileSink({ folder: sink.slice('file:'.length), node, fileBytesMax });
  if (sink.startsWith('http')) return new WebhookSink({ url: sink, token, timeoutMs });
  // Loaded where it is used only.
  const { PostgresSink } = await import('./postgres-sink.ts');
  return new PostgresSink({ url: sink, timeoutMs });
}
