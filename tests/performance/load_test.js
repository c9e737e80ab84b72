// The load test for k6:  k6 run -e API_URL=https://scale.example -e TEST_JWTS="$(paste -sd, tokens.txt)" tests/performance/load_test.js
//
// Each virtual user shows a token of their own (TEST_JWTS, comma separated), as one user may make 100 requests a minute only. TEST_JWT alone
// is one for all: then raise SCALE_GATEWAY_RATE_LIMIT, or the limiter is what is measured. `python -m benchmarks.load --profile k6` is the same
// for machines without k6.
import http from 'k6/http';
import { check, sleep } from 'k6';

export const options = {
  stages: [
    { duration: '30s', target: 20 },
    { duration: '1m', target: 20 },
    { duration: '10s', target: 0 },
  ],
  thresholds: {
    http_req_duration: ['p(95)<500'],
    http_req_failed: ['rate<0.01'],
  },
};

const url = (__ENV.API_URL || 'http://127.0.0.1:8080').replace(/\/$/, '');
const tokens = (__ENV.TEST_JWTS || __ENV.TEST_JWT || '').split(',').filter((token) => token !== '');

export function setup() {
  if (tokens.length === 0) {
    throw new Error('There is no token: set TEST_JWTS (comma separated, one a virtual user) or TEST_JWT.');
  }
}

export default function () {
  const health = http.get(`${url}/api/v1/health`);
  check(health, {
    'health answers 200': (response) => response.status === 200,
    'health within 500 ms': (response) => response.timings.duration < 500,
  });

  const headers = { Authorization: `Bearer ${tokens[(__VU - 1) % tokens.length]}` };
  const transactions = http.get(`${url}/api/v1/accounts/transactions`, { headers, tags: { name: 'transactions' } });
  check(transactions, {
    'transactions answer 200': (response) => response.status === 200,
    'transactions within 500 ms': (response) => response.timings.duration < 500,
  });

  sleep(1);
}
