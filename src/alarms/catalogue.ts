/**
 * Everything that can be wrong, and what it means. A page, the command line and the log show the same words. An
 * alarm is raised by code and subject; it ends when nobody raises it any more.
 */
export type Severity = 'info' | 'warning' | 'critical';

export interface AlarmKind {
  readonly severity: Severity;
  readonly title: string;
  /** What it means, and what to do. */
  readonly meaning: string;
}

export const ALARMS = {
  'connection-over-limit': {
    severity: 'critical',
    title: 'Import above the connection limit',
    meaning:
      'The feeder meter reads more than the connection carries. Miners are shed at once; check for machines that woke unasked.',
  },
  'hall-over-breaker': {
    severity: 'critical',
    title: 'Hall above its breaker rating',
    meaning:
      'The hall meter reads more than the breaker is rated for; it will trip on its curve. Load in the hall is shed; look for machines that do not obey.',
  },
  'feeder-over-rating': {
    severity: 'critical',
    title: 'Feeder above its rating',
    meaning:
      'The meters of the halls below it, with losses, read more than it may carry. Load below it is shed; look for machines that do not obey.',
  },
  'hall-dark': {
    severity: 'critical',
    title: 'Hall without power',
    meaning:
      'The hall meter reads almost nothing while machines should run: the breaker may have tripped. Find the cause before it is closed again.',
  },
  'guard-lost': {
    severity: 'critical',
    title: 'The guard is not heard',
    meaning:
      'The process that sheds when all else fails is gone or stuck. It is started again by itself; until it is heard no machine is woken or raised. If this stays, look at guard/audit.jsonl in the data folder.',
  },
  'guard-shed': {
    severity: 'critical',
    title: 'The guard sheds load',
    meaning:
      'A limit was exceeded, or could not be seen to be kept, and the guard puts machines to sleep. Activity says which limit and why. No machine is woken before all limits were kept for half a minute.',
  },
  'guard-disobeyed': {
    severity: 'critical',
    title: 'Machines do not sleep for the guard',
    meaning:
      'They were told to and refused, did not answer, or went on. Others went in their place; if none are left, power must be cut by hand.',
  },
  'power-budget-failed': {
    severity: 'warning',
    title: 'A scheduler does not keep to its power budget',
    meaning:
      'The kilowatts that the plan allows its work could not be set or released, and jobs may start beyond them or wait for nothing. It is tried again with every plan; until then the plan holds and requeues jobs as ever.',
  },
  'queue-stop-failed': {
    severity: 'warning',
    title: 'A queue was not stopped or not let go on',
    meaning:
      'The plan has no room for more work of a queue, or has room again, and the scheduler did not take it. Jobs may start that are put back after, or wait although there is room. It is tried again with every plan; the ClusterQueue and its stopPolicy tell how it stands.',
  },
  'node-move-failed': {
    severity: 'warning',
    title: 'A node did not get into its new role',
    meaning:
      'It was drained or moved and did not come back as it should; the message says how far it got. Look at the node, then move it again; this ends when a later move of it works, or when somebody calls it back.',
  },
  'meter-silent': {
    severity: 'critical',
    title: 'Meter does not answer',
    meaning:
      'Without it nothing is proved and no miner is woken behind it. Check the meter, its address and its unit id.',
  },
  'meter-mismatch': {
    severity: 'warning',
    title: 'Machines and meter disagree',
    meaning:
      'What machines, cooling and losses explain differs from the meter by more than a tenth. Something draws that nobody reports, or a model in the site file is wrong.',
  },
  'grid-signal-stale': {
    severity: 'warning',
    title: 'A source of grid signals is silent',
    meaning:
      'No sign of life for longer than the site file allows: its policy holds (hold, safe-limit or release). Check the line, the credentials and the clock of whoever speaks for the grid.',
  },
  'grid-event-missed': {
    severity: 'critical',
    title: 'Import is not where the grid demands it',
    meaning:
      'The response time is over and the feeder meter still reads something else. Look for machines that do not obey, are held by a person or are silent; what may not be interrupted draws on.',
  },
  'pool-unlisted': {
    severity: 'critical',
    title: 'Miners work for a pool or worker that is not on the list',
    meaning:
      "Their hash may go to somebody else. Write the site's pools back (busbar pools apply), then find out who changed them: change the machines' passwords.",
  },
  'pool-dead': {
    severity: 'critical',
    title: 'Pool does not answer or refuses the worker',
    meaning:
      'Asked by the site itself, beside its miners. They fall back to the next pool of their list; with none left they hash for nothing. Check the uplink, the account and the pool.',
  },
  'pool-stale': {
    severity: 'warning',
    title: 'Pool gives no new work',
    meaning: 'It is connected and silent: shares for old work are rejected. Switch to another pool if it lasts.',
  },
  'pool-list-pending': {
    severity: 'warning',
    title: 'A changed list of pools waits',
    meaning:
      'The site file names other pools than those in force. Nothing is written from it until an admin asks (busbar pools approve) and a second one agrees. If nobody meant it, the file was tampered with.',
  },
  'machine-moved': {
    severity: 'warning',
    title: 'A machine answers as another',
    meaning:
      'Serial or MAC at an address are not those first seen there: DHCP handed out others, or the machine was swapped. Give the machines fixed leases, or take the new one with busbar adopt MACHINE.',
  },
  'plant-silent': {
    severity: 'warning',
    title: 'PDU or cooling plant does not answer',
    meaning:
      'Its readings are old and nothing can be switched there. Check its address, community or instance, and its supply.',
  },
  outage: {
    severity: 'critical',
    title: 'Outage: machines booted unasked',
    meaning:
      'Many miners of a hall or PDU booted together and nobody told them to: their supply was cut and came back. Each is put back to what is wanted of it, wakes PDU by PDU. Find what cut the supply; the alarm ends when all are as wanted.',
  },
  'cooling-not-started': {
    severity: 'critical',
    title: 'A cooling plant does not start',
    meaning:
      'It was told to run before machines are woken and is not seen to. They wait until flow or fans are read back; check the plant, its breaker, and what its controller takes from BACnet.',
  },
  'outage-not-armed': {
    severity: 'warning',
    title: 'Not armed for an outage',
    meaning:
      'The site file says what these do when their supply comes back, and they are not set to it. They will do as they are set: the message says why, busbar machines says which.',
  },
  'gpu-fault': {
    severity: 'critical',
    title: 'GPU failed',
    meaning:
      'Its driver reports a fault after which it must be restarted or exchanged. Its node is out of the plan, and drained where Busbar may tell its scheduler so. It comes back when the driver reports it clean, or with busbar repaired MACHINE.',
  },
  'gpu-throttled': {
    severity: 'warning',
    title: 'GPUs slow themselves down',
    meaning:
      'By heat, or because the board or the supply demands it: they draw nearly as much and do less. Check coolant or air, and the power supplies of the server.',
  },
  'gpus-idle': {
    severity: 'info',
    title: 'Jobs hold GPUs that stand still',
    meaning:
      'For ten minutes they did nothing, and nobody else can have them. Ask the owner of the job whether it waits for data, or asked for too many.',
  },
  'jobs-stuck': {
    severity: 'warning',
    title: 'Jobs run and do nothing',
    meaning:
      'For ten minutes all GPUs of the job drew no more than idle ones do. It may wait for a rank that is gone: look at its output (busbar job logs).',
  },
  'draw-without-job': {
    severity: 'warning',
    title: 'GPU servers work without a job',
    meaning:
      'Their scheduler has no job on them, and their GPUs work or draw more than idle ones. A process was left behind, or somebody works past the scheduler.',
  },
  'machines-silent': {
    severity: 'warning',
    title: 'Machines do not answer',
    meaning:
      'They are counted at the greater of last seen and nameplate until they answer or a person takes them out. Check switch, address and power of the group.',
  },
  'machines-faulted': {
    severity: 'warning',
    title: 'Machines awake but not hashing',
    meaning: 'They draw power and earn nothing. A restart mends most; the others need hands.',
  },
  'commands-failed': {
    severity: 'warning',
    title: 'Machines did not obey',
    meaning:
      'They were told, and neither their reading nor the meter shows it. They are told again with growing pauses.',
  },
  'price-stale': {
    severity: 'warning',
    title: 'No fresh power price',
    meaning: 'The plan takes the highest price of the last day until the feed answers again. Check the feed.',
  },
  'feed-stale': {
    severity: 'info',
    title: 'A feed is silent',
    meaning: 'Its last value is held. What rests on it is marked with its age.',
  },
  'feed-failed': {
    severity: 'warning',
    title: 'A feed cannot be read',
    meaning: 'The message names the file or address and what was expected there.',
  },
  'cluster-silent': {
    severity: 'warning',
    title: 'The job scheduler does not answer',
    meaning:
      'Running work is taken as it was last seen; nothing is held or requeued until it answers. Check slurmrestd and its token.',
  },
  'uplink-down': {
    severity: 'critical',
    title: 'Uplink is down',
    meaning:
      'The port says the line is down: miners behind it lose their pool and customers their machines. Call the carrier, or move to the second line.',
  },
  'uplink-silent': {
    severity: 'warning',
    title: 'Uplink cannot be read',
    meaning: 'Its load and errors are unknown. Check the switch or router, its address and the community.',
  },
  'uplink-loaded': {
    severity: 'warning',
    title: 'Uplink is nearly full',
    meaning: 'Load is past the alarm level of the site file. Inference slows first; move work or order more.',
  },
  'uplink-errors': {
    severity: 'warning',
    title: 'Errors on an uplink',
    meaning: 'The port counts broken packets: a dirty fibre, a bad cable or a failing optic.',
  },
  'machine-hot': {
    severity: 'warning',
    title: 'Machines too hot',
    meaning:
      'Hotter than the limit of the site file. Look at fans, filters, flow and the hall before the hardware protects itself.',
  },
  'store-failed': {
    severity: 'critical',
    title: 'The ledger is not written',
    meaning:
      'The disk takes nothing: intervals, acts and commands are kept in memory and tried again every second, and machines are commanded as before. A restart now loses them. Make room on the disk, or make it writable.',
  },
  'history-failed': {
    severity: 'warning',
    title: 'History is not saved',
    meaning:
      'Readings are kept in memory and tried again every minute; the ledger is not concerned. Is the disk full or read-only?',
  },
  'budget-spent': {
    severity: 'warning',
    title: "Part of a project's budget is spent",
    meaning:
      "The month's use of a tenant's project reached a percentage its budget names. With onExceeded: refuse no job is taken beyond the whole of it; else it is for the tenant to know. Ends with the month.",
  },
  'history-full': {
    severity: 'info',
    title: 'History is at its disk budget',
    meaning:
      'The oldest readings went before their days were over. Raise history.diskGb in the site file, or keep fewer days.',
  },
  'solver-failed': {
    severity: 'warning',
    title: 'The optimiser failed or was late',
    meaning: 'A greedy merit order made this plan: safe, and a little poorer. The next plan tries the optimiser again.',
  },
  'plan-late': {
    severity: 'warning',
    title: 'The plan is old',
    meaning: 'No new plan took over for three periods. Machines stay as last told.',
  },
  'limits-exceeded': {
    severity: 'critical',
    title: 'Load that cannot be moved exceeds a limit',
    meaning:
      'Silent machines and fixed load alone are more than a breaker or the connection carries. Power must be cut by hand.',
  },
  'reading-behind': {
    severity: 'info',
    title: 'Reading lags behind the clock',
    meaning:
      'A sweep over all machines takes longer than its cadence. Slow the site clock down or give the server more processor.',
  },
} as const satisfies Record<string, AlarmKind>;

export type AlarmCode = keyof typeof ALARMS;

export interface RaisedAlarm {
  readonly code: AlarmCode;
  /** A machine, hall, feed, meter, cohort, or `plan`. */
  readonly subject: string;
  /** With the figures of the moment. */
  readonly message: string;
}
