// `fetch` for a node of this process: requests are function calls, which end by their signals as calls over a network do.
import type { Fetch } from '../client/http.ts';

/** `ended`: the node has stopped, and nothing is answered any more. */
export function inProcess(answer: (request: Request) => Promise<Response>, ended: AbortSignal): Fetch {
  return async (url, init) => {
    if (ended.aborted) return stopped();
    const signal = init.signal ? AbortSignal.any([init.signal, ended]) : ended;
    signal.throwIfAborted();
    const response = await orAborted(answer(new Request(url, init)), signal);
    if (!response.body) return response;
    return new Response(response.body.pipeThrough(new TransformStream(), { signal }), response);
  };
}

/** Rejects with the signal's reason where that comes first. */
function orAborted(answered: Promise<Response>, signal: AbortSignal): Promise<Response> {
  return new Promise((resolve, reject) => {
    const giveUp = () => reject(signal.reason);
    signal.addEventListener('abort', giveUp, { once: true });
    answered.then(resolve, reject).finally(() => signal.removeEventListener('abort', giveUp));
  });
}

/** No fault that passes: a client would ask again. */
function stopped(): Response {
  const problem = { type: 'urn:pychain:problem:stopped', title: 'The node has stopped', status: 410 };
  return Response.json(problem, { status: 410, headers: { 'content-type': 'application/problem+json' } });
}
