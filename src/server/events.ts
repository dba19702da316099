import type { ServerResponse } from 'node:http';
import type { EventName } from '../model/api.ts';

/** One stream to every listener: the same bytes for all, made once. */
export interface EventHub {
  readonly listeners: number;
  add(response: ServerResponse): void;
  send(event: EventName, data: unknown): void;
  close(): void;
}

/** A listener this far behind is not reading: it is let go and comes back with a fresh snapshot. */
const MAX_BACKLOG_BYTES = 4 * 1024 * 1024;
const MAX_LISTENERS = 500;

export const frame = (event: EventName, data: unknown): string => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

export function createEventHub(): EventHub {
  const open = new Set<ServerResponse>();
  return {
    get listeners() {
      return open.size;
    },
    add(response) {
      if (open.size >= MAX_LISTENERS) {
        response.end();
        return;
      }
      open.add(response);
      response.on('close', () => open.delete(response));
      response.on('error', () => open.delete(response));
    },
    send(event, data) {
      if (open.size === 0) return;
      const bytes = Buffer.from(frame(event, data));
      for (const response of open) {
        if (response.writableLength > MAX_BACKLOG_BYTES) response.destroy();
        else response.write(bytes);
      }
    },
    close() {
      for (const response of open) response.end();
      open.clear();
    },
  };
}
