import { createHmac } from 'node:crypto';
import { expect, it } from 'vitest';
import { webhookHeaders } from '../../src/crypto/webhook-signature.ts';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

it('signs as Standard Webhooks has it', async () => {
  const body = '{"test": "wörld"}';
  const headers = await webhookHeaders(SECRET, 'msg_1', 1_614_265_330, body);
  const key = Buffer.from(SECRET.slice(6), 'base64');
  const signature = createHmac('sha256', key).update(`msg_1.1614265330.${body}`).digest('base64');
  expect(headers).toEqual({
    'webhook-id': 'msg_1',
    'webhook-timestamp': '1614265330',
    'webhook-signature': `v1,${signature}`,
  });
});

it('gives the signature of the example that its libraries are tested with', async () => {
  const headers = await webhookHeaders(SECRET, 'msg_p5jXN8AQM9LWM0D4loKWxJek', 1_614_265_330, '{"test": 2432232314}');
  expect(headers['webhook-signature']).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=');
});
