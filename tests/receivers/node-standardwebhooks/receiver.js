// Verifies the Standard Webhooks headers with the official library for JavaScript.
const { createHash } = require('node:crypto');
const { createServer } = require('node:http');
const { buffer } = require('node:stream/consumers');
const { Webhook, WebhookVerificationError } = require('standardwebhooks');

const webhook = new Webhook(process.env.WEBHOOK_SECRET);

function accepts(body, headers) {
  try {
    webhook.verify(body, headers);
    return true;
  } catch (error) {
    if (error instanceof WebhookVerificationError) return false;
    throw error;
  }
}

const server = createServer(async (request, response) => {
  const body = await buffer(request);
  const accepted = accepts(body, request.headers);
  console.log(JSON.stringify({ accepted, sha256: createHash('sha256').update(body).digest('hex') }));
  response.writeHead(accepted ? 200 : 401).end();
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.on('end', () => process.exit()).resume();
