// Verifies X-Webhook-Signature with Node's own crypto, behind Express.
const { createHash, createHmac, timingSafeEqual } = require('node:crypto');
const express = require('express');

const secret = process.env.WEBHOOK_SECRET;
const app = express();

// The signature covers the bytes as sent, so the body must not be parsed before it is verified. The limit of 100 kB that
// Express has by default is below the largest delivery.
app.post('/webhook', express.raw({ type: 'application/json', limit: '1mb' }), (request, response) => {
  const body = request.body;
  const expected = Buffer.from(`sha256=${createHmac('sha256', secret).update(body).digest('hex')}`);
  const given = Buffer.from(request.get('X-Webhook-Signature') ?? '');
  const accepted = given.length === expected.length && timingSafeEqual(given, expected);
  console.log(JSON.stringify({ accepted, sha256: createHash('sha256').update(body).digest('hex') }));
  response.sendStatus(accepted ? 200 : 401);
});

const server = app.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.on('end', () => process.exit()).resume();
