/** Headers of every answer: pages run nothing of elsewhere, are framed by nobody, and tell nobody where they were. */
const ALWAYS: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
};

/** @param url of the request: what is not a page is kept by no cache */
export function headersFor(url: string, tls: boolean): Record<string, string> {
  return {
    ...ALWAYS,
    ...(tls ? { 'strict-transport-security': 'max-age=31536000' } : {}),
    ...(/^\/(api\/|metrics|healthz|signin)/.test(url) ? { 'cache-control': 'no-store' } : {}),
  };
}
