// Tries every quarter whether the limit of requests can be passed by:  k6 run -e API_URL=... -e TEST_JWT=... tests/performance/rate_limit_bypass.js
//
// One user, then nobody in particular, each ask more often than the limit allows (RATE_LIMIT, default 100 in 60 seconds) while they pretend
// with each request to be somebody else. The run fails when more get through than the limit, or when nobody is ever refused.
import http from 'k6/http';
import { check } from 'k6';

export const options = {
  vus: 1,
  iterations: 1,
  thresholds: { checks: ['rate==1.0'] },
};

const url = (__ENV.API_URL || 'http://127.0.0.1:8080').replace(/\/$/, '');
const token = __ENV.TEST_JWT || '';
const limit = Number(__ENV.RATE_LIMIT || '100');
const attempts = limit + 30;

const address = (n) => `203.0.113.${(n % 254) + 1}`;
const disguises = [
  (n) => ({ 'X-Forwarded-For': address(n) }),
  (n) => ({ 'X-Forwarded-For': `${address(n)}, 127.0.0.1` }),
  (n) => ({ 'X-Real-IP': address(n) }),
  (n) => ({ Forwarded: `for=${address(n)}` }),
  (n) => ({ 'X-Client-IP': address(n), 'True-Client-IP': address(n) }),
  (n) => ({ 'X-User-Id': `00000000-0000-7000-8000-${String(n).padStart(12, '0')}` }),
  (n) => ({ 'User-Agent': `somebody-else/${n}`, 'X-Request-Id': `request-${n}` }),
  () => ({}),
];
const paths = [
  (n) => `/api/v1/transactions?page_size=1&nothing=${n}`,
  () => '/api/v1/accounts/transactions?page_size=1',
  () => '/api/v1/profile',
  () => '/api/v1/transactions/stats',
];

function ask(authorization) {
  let passed = 0;
  let refused = 0;
  for (let n = 0; n < attempts; n += 1) {
    const headers = { ...disguises[n % disguises.length](n), ...authorization(n) };
    const response = http.get(`${url}${paths[n % paths.length](n)}`, { headers });
    if (response.status === 429) {
      refused += 1;
    } else {
      passed += 1;
    }
  }
  return { passed, refused };
}

export function setup() {
  if (token === '') {
    throw new Error('There is no token: set TEST_JWT.');
  }
}

export default function () {
  const user = ask(() => ({ Authorization: `Bearer ${token}` }));
  check(user, {
    'no more than the limit of one user gets through': ({ passed }) => passed <= limit,
    'the user is refused beyond it': ({ refused }) => refused > 0,
  });

  // A token that nobody signed names whom it likes: it counts for the address that it came from.
  const nobody = ask((n) => ({ Authorization: `Bearer made.up.${n}` }));
  check(nobody, {
    'no more than the limit of one address gets through': ({ passed }) => passed <= limit,
    'the address is refused beyond it': ({ refused }) => refused > 0,
  });
}
