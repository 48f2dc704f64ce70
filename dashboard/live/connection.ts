// One connection to the beacon's stream, until it ends: a WebSocket, or Server-Sent Events where these do not come through.

/** Longest time to the first word, milliseconds. */
const OPEN_MS_MAX = 15_000;
const PING_MS = 25_000;
/** Longest silence of a line that has answered a ping before, milliseconds. */
const SILENCE_MS_MAX = 60_000;

export interface Listener {
  opened(): void;
  /** Gives what is to be said to it; null: nothing. Throws where the text is nonsense: then the connection ends. */
  heard(text: string): string | null;
}

/** Listens until the line is cut. Gives why. */
export function listen(url: string, transport: 'websocket' | 'events', listener: Listener, signal: AbortSignal) {
  return transport === 'websocket' ? overWebSocket(url, listener, signal) : overEvents(url, listener, signal);
}

function overWebSocket(url: string, listener: Listener, signal: AbortSignal): Promise<string> {
  return new Promise((resolve) => {
    const socket = new WebSocket(url.replace(/^http/, 'ws'));
    let heardAt = Date.now();
    let answersPings = false;
    let isOpen = false;
    const end = (reason: string) => {
      clearInterval(ping);
      clearTimeout(opening);
      signal.removeEventListener('abort', abort);
      socket.close();
      resolve(reason);
    };
    const abort = () => end('closed');
    const opening = setTimeout(() => !isOpen && end('no answer in time'), OPEN_MS_MAX);
    const ping = setInterval(() => {
      if (answersPings && Date.now() - heardAt > SILENCE_MS_MAX) end('the line went silent');
      else if (socket.readyState === WebSocket.OPEN) socket.send('ping');
    }, PING_MS);
    signal.addEventListener('abort', abort);
    socket.addEventListener('message', ({ data }) => {
      heardAt = Date.now();
      if (data === 'pong') answersPings = true;
      else tell(listener, String(data), end, (answer) => socket.send(answer));
    });
    socket.addEventListener('open', () => {
      isOpen = true;
      listener.opened();
    });
    socket.addEventListener('close', ({ reason }) => end(reason || (isOpen ? 'the line was cut' : 'no connection')));
  });
}

function overEvents(url: string, listener: Listener, signal: AbortSignal): Promise<string> {
  return new Promise((resolve) => {
    const source = new EventSource(url);
    const end = (reason: string) => {
      source.close();
      signal.removeEventListener('abort', abort);
      resolve(reason);
    };
    const abort = () => end('closed');
    signal.addEventListener('abort', abort);
    source.addEventListener('open', () => listener.opened());
    // Whoever reads on has taken what came before: nothing is to be said here.
    source.addEventListener('message', ({ data }) => tell(listener, String(data), end, () => undefined));
    source.addEventListener('error', () => end('the line was cut'));
  });
}

function tell(listener: Listener, text: string, end: (reason: string) => void, answer: (text: string) => void): void {
  try {
    const said = listener.heard(text);
    if (said !== null) answer(said);
  } catch (fault) {
    end(fault instanceof Error ? fault.message : String(fault));
  }
}
