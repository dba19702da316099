/** What one Slurm of many virtual nodes on one host is configured with. Pure: paths, ports and counts in, files out. */

export interface SlurmShape {
  /** Everything it writes lies below. */
  readonly folder: string;
  /** The first of 100 ports it takes, all below 32768: above it the outgoing connections of the host take theirs. */
  readonly portBase: number;
  /** Virtual nodes by partition. */
  readonly nodes: Readonly<Record<Partition, number>>;
}

const PARTITIONS = ['train', 'infer', 'sim'] as const;
type Partition = (typeof PARTITIONS)[number];

/** GPUs of a node, by the part its partition is of. */
const GPUS: Readonly<Record<Partition, { readonly part: string; readonly count: number } | undefined>> = {
  train: { part: 'h100', count: 8 },
  infer: { part: 'l40s', count: 4 },
  sim: undefined,
};
export const MOST_GPUS = 8;

/** Power the jobs may ask for altogether, as a count of licences of one kilowatt each. */
const SITE_KW = 400;

/** Who may do what. Users of Debian that are always there: nothing is added to the host. */
export const SLURM_USERS = {
  /** Busbar: an administrator of Slurm, as `sacctmgr add user ... adminlevel=Administrator` makes one. */
  busbar: 'games',
  /** A customer who submits jobs of their own. */
  customer: 'daemon',
  /** slurmrestd refuses to run as root or as the user of Slurm. */
  rest: 'www-data',
} as const;

export const CLUSTER = 'busbar';
export const ACCOUNTS = ['acme', 'globex'] as const;
export const QOS = ['reserved', 'batch'] as const;

export const portsOf = ({ portBase }: SlurmShape) => ({
  controller: portBase,
  database: portBase + 1,
  accounting: portBase + 2,
  rest: [portBase + 3, portBase + 4] as const,
  firstNode: portBase + 10,
});

export const pathsOf = ({ folder }: SlurmShape) => ({
  conf: `${folder}/etc/slurm.conf`,
  munge: `${folder}/munge/socket`,
  jwtKey: `${folder}/state/jwt.key`,
  mysql: `${folder}/mysql`,
  devices: `${folder}/dev`,
  logs: `${folder}/log`,
  powerRequests: `${folder}/power/requests`,
  /** Jobs write their output here. */
  jobs: `${folder}/jobs`,
});

/** `train001` to `train008`, partition after partition. */
export function nodeNames(shape: SlurmShape): string[] {
  return PARTITIONS.flatMap((partition) =>
    Array.from({ length: shape.nodes[partition] }, (_, i) => `${partition}${String(i + 1).padStart(3, '0')}`),
  );
}

const range = (partition: Partition, count: number): string => `${partition}[001-${String(count).padStart(3, '0')}]`;

function nodeLines(shape: SlurmShape, host: string): string[] {
  let port = portsOf(shape).firstNode;
  return PARTITIONS.flatMap((partition) => {
    const count = shape.nodes[partition];
    const gpu = GPUS[partition];
    const gres = gpu === undefined ? '' : ` Gres=gpu:${gpu.part}:${gpu.count}`;
    const ports = `[${port}-${port + count - 1}]`;
    port += count;
    return [
      `NodeName=${range(partition, count)} NodeHostname=${host} NodeAddr=127.0.0.1 Port=${ports}${gres}`,
      `PartitionName=${partition} Nodes=${range(partition, count)} MaxTime=INFINITE State=UP${partition === 'train' ? ' Default=YES' : ''}`,
    ];
  });
}

/** @param host the name of this machine, as `hostname -s` says it */
export function slurmConf(shape: SlurmShape, host: string): string {
  const { folder } = shape;
  const ports = portsOf(shape);
  const paths = pathsOf(shape);
  const settings: Readonly<Record<string, string | number>> = {
    ClusterName: CLUSTER,
    SlurmctldHost: `${host}(127.0.0.1)`,
    SlurmctldPort: ports.controller,
    SlurmUser: 'slurm',
    SlurmdUser: 'root',
    AuthType: 'auth/munge',
    // A requeued job waits until the credential of its last start has expired: 120 s where nothing is said, and where less than 5 is.
    AuthInfo: `socket=${paths.munge},cred_expire=5`,
    CredType: 'cred/munge',
    AuthAltTypes: 'auth/jwt',
    AuthAltParameters: `jwt_key=${paths.jwtKey}`,
    StateSaveLocation: `${folder}/state`,
    SlurmdSpoolDir: `${folder}/spool/%n`,
    SlurmctldPidFile: `${folder}/state/slurmctld.pid`,
    SlurmdPidFile: `${folder}/spool/%n.pid`,
    SlurmctldLogFile: `${paths.logs}/slurmctld.log`,
    SlurmdLogFile: `${paths.logs}/%n.log`,
    ProctrackType: 'proctrack/linuxproc',
    TaskPlugin: 'task/none',
    JobAcctGatherType: 'jobacct_gather/linux',
    JobAcctGatherFrequency: 'task=5',
    MpiDefault: 'none',
    SwitchType: 'switch/none',
    ReturnToService: 2,
    // Nodes have the hardware written here, not that of this host.
    SlurmdParameters: 'config_overrides',
    GresTypes: 'gpu',
    Licenses: `site_kw:${SITE_KW}`,
    SelectType: 'select/cons_tres',
    SelectTypeParameters: 'CR_Core_Memory',
    DefMemPerCPU: 256,
    SchedulerParameters: 'bf_interval=2,sched_interval=2,batch_sched_delay=0',
    PriorityType: 'priority/multifactor',
    KillWait: 3,
    MinJobAge: 3600,
    SlurmdTimeout: 60,
    MessageTimeout: 20,
    AccountingStorageType: 'accounting_storage/slurmdbd',
    AccountingStorageHost: '127.0.0.1',
    AccountingStoragePort: ports.accounting,
    AccountingStoragePass: paths.munge,
    AccountingStorageTRES: 'gres/gpu,gres/gpu:h100,gres/gpu:l40s,license/site_kw',
    AccountingStorageEnforce: 'associations,limits,qos',
    JobCompType: 'jobcomp/none',
    SuspendProgram: `${folder}/etc/suspend`,
    ResumeProgram: `${folder}/etc/resume`,
    // Infinite would switch power saving off altogether; nothing of a test lasts a year.
    SuspendTime: 31_536_000,
    SuspendTimeout: 5,
    ResumeTimeout: 30,
  };
  const node = 'NodeName=DEFAULT Sockets=2 CoresPerSocket=16 ThreadsPerCore=1 RealMemory=256000 State=UNKNOWN';
  const lines = Object.entries(settings).map(([key, value]) => `${key}=${value}`);
  return `${[...lines, node, ...nodeLines(shape, host)].join('\n')}\n`;
}

export function slurmdbdConf(shape: SlurmShape, host: string, password: string): string {
  const ports = portsOf(shape);
  const paths = pathsOf(shape);
  return `AuthType=auth/munge
AuthInfo=socket=${paths.munge}
AuthAltTypes=auth/jwt
AuthAltParameters=jwt_key=${paths.jwtKey}
DbdHost=${host}
DbdAddr=127.0.0.1
DbdPort=${ports.accounting}
SlurmUser=slurm
LogFile=${paths.logs}/slurmdbd.log
PidFile=${shape.folder}/state/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=${ports.database}
StorageUser=slurm
StoragePass=${password}
StorageLoc=slurm_acct_db
`;
}

/** A GPU needs a file: with a count alone the node is of no use to Slurm. */
export function gresConf(shape: SlurmShape): string {
  const lines = PARTITIONS.flatMap((partition) => {
    const gpu = GPUS[partition];
    if (gpu === undefined) return [];
    const files = `${pathsOf(shape).devices}/gpu[0-${gpu.count - 1}]`;
    return [`NodeName=${range(partition, shape.nodes[partition])} Name=gpu Type=${gpu.part} File=${files}`];
  });
  return ['AutoDetect=off', ...lines, ''].join('\n');
}

/** What slurmctld runs to switch nodes off and on: a line for who really does it. It runs as the user of Slurm. */
export const powerScript = (shape: SlurmShape, verb: 'suspend' | 'resume'): string =>
  `#!/bin/sh\necho "${verb} $1" >> ${pathsOf(shape).powerRequests}\n`;
