/** A node cannot start or go on for a reason outside of world code and settings. */
import { WorldmeshError } from '../base/errors.ts';

export type NodeErrorCode =
  | 'ERR_NODE_DATA_DIR'
  | 'ERR_NODE_INCARNATION_CORRUPT'
  | 'ERR_NODE_INCARNATION_MAX'
  | 'ERR_NODE_INCARNATION_BUSY'
  | 'ERR_NODE_LISTEN'
  | 'ERR_NODE_STOPPED'
  | 'ERR_NODE_PARAM'
  | 'ERR_NODE_TLS'
  | 'ERR_NODE_AUTH'
  | 'ERR_NODE_FENCED'
  | 'ERR_NODE_RELOAD'
  | 'ERR_NODE_CLUSTER_RUNS'
  | 'ERR_NODE_PAGE';

export class NodeError extends WorldmeshError {
  override readonly name = 'NodeError';
  readonly code: NodeErrorCode;

  constructor(code: NodeErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.code = code;
  }
}
