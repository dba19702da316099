import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** The grid's price over HTTP, as a market's own service tells it; it spikes, and it falls silent. */
export interface PriceServer {
  readonly url: string;
  usdPerMwh: number;
  isSilent: boolean;
  close(): Promise<void>;
}

export async function openPrices(usdPerMwh: number): Promise<PriceServer> {
  const http = createServer((_, response) => {
    // Whoever asks waits until they give up.
    if (prices.isSilent) return;
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ usdPerMwh: prices.usdPerMwh }));
  });
  await new Promise<void>((resolve) => {
    http.listen(0, '127.0.0.1', resolve);
  });
  const prices: PriceServer = {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/price`,
    usdPerMwh,
    isSilent: false,
    async close() {
      http.closeAllConnections();
      await new Promise((resolve) => {
        http.close(resolve);
      });
    },
  };
  return prices;
}
