import { z } from 'zod';

/**
 * A credential is never written into a site file: the file says where it lies. `env` names an environment variable,
 * `file` a file that holds it (relative to the site file, readable by its owner alone), `secret` an entry of the
 * encrypted store (`busbar secrets set NAME`).
 */
export const secretRef = z
  .union(
    [
      z.strictObject({ env: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'the name of an environment variable') }),
      z.strictObject({ file: z.string().min(1) }),
      z.strictObject({ secret: z.string().regex(/^[a-z0-9][a-z0-9._-]*$/, 'lower-case letters, digits, dot, dash') }),
    ],
    'expected where the credential lies, { env: NAME }, { file: PATH } or { secret: NAME }, never the credential itself',
  )
  .meta({
    id: 'SecretRef',
    description:
      'where a credential lies: { env: NAME }, { file: PATH } or { secret: NAME }; never the credential itself',
  });

export type SecretRef = z.infer<typeof secretRef>;

/** `env FARM_PASSWORD`: names the place in messages, never what lies there. */
export const secretText = (ref: SecretRef): string => Object.entries(ref)[0]!.join(' ');
