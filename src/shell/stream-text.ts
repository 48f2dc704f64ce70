// Frames of the stream as text: the same JSON over a WebSocket and over Server-Sent Events.
import { messageView } from '../api/views.ts';
import type { StreamFrame } from '../protocol/stream.ts';

/** A frame as JSON, times in seconds as in all of the API. */
export function frameText(frame: StreamFrame): string {
  return JSON.stringify(frame.type === 'messages' ? { ...frame, messages: frame.messages.map(messageView) } : frame);
}
