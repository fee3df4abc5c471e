/** The client SDK: for browsers, and for Node 22 and later. */
export { Client, connect } from './client.ts';
export type { ClientClock, ClientSnapshot, ClientStatistics, ConnectOptions, Owner, TokenStorage } from './options.ts';
export type { ClockQuality } from './clock.core.ts';
export { CLIENT_ERRORS, ClientError } from './errors.ts';
export type { ClientErrorCode } from './errors.ts';
export type { ClientEvent, ClientInput, ComponentName, EntityBase, EntityOf, UntypedEntity } from './entity.ts';
export type { ClientStatus } from './link.ts';
export type { BackoffOptions } from './backoff.core.ts';
export type { Socket, SocketConstructor } from './socket.ts';
export { CLOSE_CODE, PROTOCOL_ERRORS } from '../wire/messages.ts';
export type { ClientMode, ProtocolErrorCode, Welcome } from '../wire/messages.ts';
export type { Schema } from '../base/schema.ts';
export type { EntityId } from '../base/brand.ts';
