import { answerCgminer } from '../cgminer.ts';
import type { Firmware } from '../firmware.ts';
import { luxosReply } from '../luxos.ts';
import { luxPoints } from '../points.ts';

export const luxos: Firmware = {
  name: 'luxos',
  points: luxPoints,
  ports: {
    cgminer: { kind: 'text', answer: (host, endpoint, text) => answerCgminer(luxosReply, host, endpoint, text) },
  },
};
