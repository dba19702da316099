import { Fault, type BacnetPort } from '../../model/index.ts';

export function bacnetPort(): BacnetPort & { close(): void } {
  const no = async (): Promise<never> => {
    throw new Fault('unsupported', 'BACnet is not built yet');
  };
  return { read: no, write: no, close() {} };
}
