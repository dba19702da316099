import { minerPage, stockReply } from '../antminer.ts';
import { answerCgminer } from '../cgminer.ts';
import type { Firmware } from '../firmware.ts';

export const antminerStock: Firmware = {
  name: 'antminer-stock',
  forgetsSleep: true,
  ports: {
    cgminer: { kind: 'text', answer: (host, endpoint, text) => answerCgminer(stockReply, host, endpoint, text) },
    web: { kind: 'http', answer: minerPage },
  },
};
