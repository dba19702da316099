import { minerPage, stockReply } from '../antminer.ts';
import { answerCgminer } from '../cgminer.ts';
import type { Firmware } from '../firmware.ts';
import { workModePoints } from '../points.ts';

export const antminerStock: Firmware = {
  name: 'antminer-stock',
  forgetsSleep: true,
  points: workModePoints,
  ports: {
    cgminer: { kind: 'text', answer: (host, endpoint, text) => answerCgminer(stockReply, host, endpoint, text) },
    web: { kind: 'http', answer: minerPage },
  },
};
