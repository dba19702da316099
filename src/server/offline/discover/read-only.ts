import type { DriverIo } from '../../../drivers/driver.ts';
import { Fault, type HttpRequest, type TcpRequest } from '../../../model/index.ts';

/**
 * The world as discovery may touch it: no request that could change a machine leaves here, whatever a driver asks,
 * and no credential goes out unless it was asked for.
 */
export function readOnly(io: DriverIo, options: { readonly tryDefaults: boolean }): DriverIo {
  const no = (what: string) => async (): Promise<never> => {
    throw new Fault('refused', `${what}: discovery never writes`);
  };
  return {
    ...io,
    tcp: {
      ask(request) {
        if (!onlyReads(request)) return no(request.name)();
        return io.tcp.ask(request);
      },
    },
    http: {
      ask(request) {
        if (!options.tryDefaults && carriesCredentials(request))
          return Promise.reject(
            new Fault(
              'unauthorised',
              `${request.method} ${request.url}: wants a password, and none was tried; name one in the site file, or ask with --try-defaults`,
            ),
          );
        if (!reads(request) && !(options.tryDefaults && LOGIN.test(new URL(request.url).pathname)))
          return no(`${request.method} ${request.url}`)();
        return io.http.ask(request);
      },
    },
    snmp: { ...io.snmp, set: no('SNMP set') },
    bacnet: { ...io.bacnet, write: no('BACnet write') },
    program: { run: no('a program') },
    secret: () => {
      throw new Fault('unauthorised', 'discovery knows no secrets');
    },
  };
}

/** The commands of the cgminer API and its kin that change nothing. Anything else is not sent. */
const READ_COMMANDS =
  /^(version|summary|e?stats|litestats|devs|edevs|devdetails|pools|config|coin|check|power|temps|fans|profiles|events|limits|asccount|status|profileget|healthctrl|groups|tempctrl|fan|temp|psu|tunerstatus|get[._][a-z0-9_.]+)$/i;
/** Would be reads by name. */
const NOT_READS = /token/i;

function onlyReads({ data }: TcpRequest<unknown>): boolean {
  const text = typeof data === 'string' ? data : data.subarray(data.indexOf(0x7b)).toString('utf8');
  try {
    const said = JSON.parse(text) as Record<string, unknown>;
    const command = said['command'] ?? said['cmd'];
    if (typeof command !== 'string' || 'token' in said || 'enc' in said) return false;
    return command.split('+').every((one) => READ_COMMANDS.test(one) && !NOT_READS.test(one));
  } catch {
    return false;
  }
}

const LOGIN = /\/(login|unlock|auth|token|sessions?|luci)\b/i;

function carriesCredentials({ digest, headers, url }: HttpRequest): boolean {
  if (digest !== undefined || LOGIN.test(new URL(url).pathname)) return true;
  return Object.keys(headers ?? {}).some((name) => /^(authorization|cookie|x-auth-token)$/i.test(name));
}

/** A GET that is none by name: `reboot.cgi`, and not `presets`. */
const WRITES_BY_GET = /reboot|restart|(?<!p)reset|blink|locate|identify|set_|pause|resume|start|stop/i;

function reads({ method, url, body }: HttpRequest): boolean {
  const { pathname } = new URL(url);
  if (method === 'GET') return !WRITES_BY_GET.test(pathname);
  return method === 'POST' && pathname.endsWith('/graphql') && body !== undefined && !/mutation/i.test(body);
}
