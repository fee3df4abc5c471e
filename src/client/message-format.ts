/** How messages are written: as bytes, or, to look at them, as JSON, which is loaded only when it is asked for. */
import { WireError } from '../base/errors.ts';
import type { Schema } from '../base/schema.ts';
import { encodeClientMessage } from '../wire/client.wire.ts';
import type { ClientMessage, ServerMessage } from '../wire/messages.ts';

export interface MessageFormat {
  encode(message: ClientMessage, schema: Schema | undefined): string | Uint8Array;
  /** Reads a text frame. @throws WireError. */
  decodeText(text: string, schema: Schema | undefined): ServerMessage;
  /** Adds to a gateway's URL what asks for this format. */
  urlOf(url: string): string;
}

export const BINARY_FORMAT: Pick<MessageFormat, 'encode' | 'urlOf'> = {
  encode: encodeClientMessage,
  urlOf: (url) => url,
};

/** In the published bundle JSON is a file of its own, with its own WireError: it is made ours, so that it is known. */
export async function loadJsonFormat(): Promise<MessageFormat> {
  const { serverMessageFromJson, toJson } = await import('../wire/json.wire.ts');
  return {
    encode: toJson,
    decodeText: (text, schema) => {
      try {
        return serverMessageFromJson(text, schema);
      } catch (cause) {
        if (!(cause instanceof Error) || cause.name !== 'WireError') throw cause;
        throw new WireError((cause as WireError).code, cause.message);
      }
    },
    urlOf: (url) => `${url}${url.includes('?') ? '&' : '?'}format=json`,
  };
}
