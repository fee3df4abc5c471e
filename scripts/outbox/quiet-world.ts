/** The publishing world when it has said all: so that what waits can be seen to be delivered to the last. */
import { defineWorld } from 'worldmesh';
import publishingWorld from './publishing-world.ts';

export default defineWorld({ ...publishingWorld.declaration, params: { publishHz: 0, wanderersPerCell: 0 } });
