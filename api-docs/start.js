// Shows the OpenAPI document of the API beside which it is served: the boot node's, or with ?of=/n/1 a node's. Where there is no boot node, that of node 1.

const NODE = /^\/n\/[1-9]\d{0,8}$/;
const asked = new URLSearchParams(location.search).get('of') ?? '';
const own = new URL('../openapi.json', location.href).pathname;
const ofNode = (base) => `${base}/api/v1/openapi.json`;

async function documentUrl() {
  if (NODE.test(asked)) return ofNode(asked);
  return (await fetch(own)).ok ? own : ofNode('/n/1');
}

globalThis.SwaggerUIBundle({
  url: await documentUrl(),
  dom_id: '#reference',
  deepLinking: true,
  // Sends the document to nobody.
  validatorUrl: null,
  // Tokens that are typed in are forgotten with the page.
  persistAuthorization: false,
});
