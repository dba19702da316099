import type { SiteMs } from './clock.ts';
import type { CoolingFacts } from './cooling.ts';
import type { ModePoint } from './machine.ts';
import type { SeriesName } from './series.ts';
import type { Line, WorkClassName } from './work.ts';

/**
 * Everything the planner may know of the site at one moment. Pure data: the same snapshot and forecast give the
 * same plan, so a plan can be replayed, tested and argued about.
 */
export interface Snapshot {
  readonly at: SiteMs;
  readonly connection: {
    readonly limitW: number;
    /** Limit less the site's margin: what a plan may use. */
    readonly usableW: number;
    /** Losses between the connection and the halls, as a fraction of what the halls draw. */
    readonly lossFraction: number;
    /** What the feeder meter said last, below zero where the site feeds in; undefined while it is silent. */
    readonly importW: number | undefined;
    /** How fast the contract lets import change, up or down; absent: as fast as it can. */
    readonly rampWPerMinute?: number | undefined;
    /** What may be fed into the grid; absent: nothing. */
    readonly exportLimitW?: number | undefined;
    /** What a MWh fed in is paid less than a MWh drawn costs. Never below zero; absent: nothing. */
    readonly exportAdderUsdPerMwh?: number;
  };
  readonly tariff: TariffFacts;
  readonly mining: {
    readonly keptFraction: number;
    readonly wakeUsdPerMachine: number;
    readonly retuneUsdPerMachine: number;
    /** A miner that was woken runs at least so long; absent: no such time. */
    readonly minimumOnMs?: number;
    readonly minimumOffMs?: number;
  };
  /** Absent: no miners are kept ready to move against swings of the work. */
  readonly ballast?: BallastFacts | undefined;
  readonly halls: readonly HallFacts[];
  /** Absent: no electrical node between the halls and the connection limits. */
  readonly feeders?: readonly FeederFacts[];
  readonly cohorts: readonly CohortFacts[];
  /** On-site generation, between the connection and the feeders; absent: none. */
  readonly generation?: readonly GeneratorFacts[];
  /** Absent: nothing is held in reserve for the grid. */
  readonly awards?: readonly AwardFacts[];
  /** Calls of curtailment programs, under way and to come; absent: none. */
  readonly programCalls?: readonly ProgramCallFacts[];
  /** Import that the grid wants followed, in stretches that do not overlap; absent: none. */
  readonly basePoints?: readonly BasePointFacts[];
  readonly work: readonly WorkFacts[];
  /** Leases of which something is to be decided; absent: none. */
  readonly leases?: readonly LeaseFacts[];
}

/** Swings of AI and HPC load within a minute, and who moves against them. Powers are IT. */
export interface BallastFacts {
  /** Swing that the feeder bears without a counter-move. */
  readonly bandW: number;
  /** Of the power that working GPUs draw beyond idle ones: what may come or go within a minute. */
  readonly swingFraction: number;
  /** Ids of the cohorts that move fast enough. */
  readonly cohorts: readonly string[];
}

export interface TariffFacts {
  readonly blockW: number;
  readonly blockUsdPerMwh: number;
  readonly demand?: DemandFacts | undefined;
  /** What each MW drawn in an interval that turns out to be a coincident peak costs: of ERCOT's four, a quarter of the year's charge. */
  readonly coincidentUsdPerMw?: number | undefined;
}

/** A charge on the highest average of any interval of a billing month. */
export interface DemandFacts {
  /** $ per MW of the month's peak. */
  readonly usdPerMw: number;
  readonly intervalMs: number;
  /** The peak that is billed already, whatever comes: of this month so far, or a ratchet. */
  readonly billedW: number;
  readonly monthEndsAt: SiteMs;
  /** Metered of the interval that runs; undefined where the meter did not tell: then it counts as the peak that is billed already, which neither raises it nor gives room. */
  readonly runningWh: number | undefined;
}

export interface HallFacts {
  readonly id: string;
  /** Breaker less margin: what a plan may draw through it, cooling included. */
  readonly usableW: number;
  readonly cooling: CoolingFacts;
  /** Draw that no decision changes: hosts and idle GPUs that answer. */
  readonly fixedW: number;
  /** Machines that stay silent still draw: each at the greater of last seen and nameplate. */
  readonly silent: { readonly machines: number; readonly powerW: number };
  readonly wakesPerMinute: number;
  /** What its uplinks that are up can carry each way; undefined where the hall names none: then nothing limits. */
  readonly uplinkMbps?: number | undefined;
}

/** An electrical node between halls and the connection. */
export interface FeederFacts {
  readonly id: string;
  /** Rating less margin: what a plan may draw through it. */
  readonly usableW: number;
  /** Every hall below it, through other feeders, too. */
  readonly hallIds: readonly string[];
}

export interface GeneratorFacts {
  readonly id: string;
  readonly capacityW: number;
  readonly usdPerMwh: number;
  /** Tells what it can make; absent: nobody does. */
  readonly series: SeriesName | undefined;
  /** What it is taken to make where nobody tells. */
  readonly untoldW: number;
}

/** One call of a curtailment program. Calls of one program do not overlap. */
export interface ProgramCallFacts {
  readonly id: string;
  /** Import that may go on. */
  readonly firmW: number;
  readonly penaltyUsdPerMwh: number;
  readonly from: SiteMs;
  readonly until: SiteMs;
}

/** Import that is to be followed both ways for a while; `leastW` and `mostW` are alike where it is one figure. */
export interface BasePointFacts {
  readonly id: string;
  readonly leastW: number;
  readonly mostW: number;
  readonly from: SiteMs;
  readonly until: SiteMs;
}

/** An ancillary service sold ahead: load that runs and can be shed when the grid calls. */
export interface AwardFacts {
  readonly id: string;
  readonly awardedW: number;
  readonly usdPerMwHour: number;
  readonly shortfallUsdPerMwh: number;
  /** Within which the load must be shed. */
  readonly responseSeconds: number;
  /** When it is held; spans do not overlap. */
  readonly spans: readonly { readonly from: SiteMs; readonly until: SiteMs }[];
}

/** Miners of one group (model, hall, firmware) that answer. A point's power is per machine. */
export interface CohortFacts {
  readonly id: string;
  readonly hallId: string;
  readonly modelId: string;
  readonly machines: number;
  readonly sleepW: number;
  /** Ascending by power. */
  readonly points: readonly ModePoint[];
  /** Machines now in each mode, by mode key (`sleep` or a profile). Sums to `machines`. */
  readonly now: Readonly<Record<string, number>>;
  /** Machines that may not change now (minimum on or off time), by the mode key they keep. */
  readonly pinned: Readonly<Record<string, number>>;
  /** A person holds the cohort out of the plan: it stays as it is. */
  readonly held: boolean;
  /** Held because the plan may not move it by itself, and by no person; absent: no. */
  readonly waits?: boolean;
  /** From whatever asks for it to machines seen asleep; absent where nobody knows, and where machines were seen to fail. */
  readonly responseSeconds?: number | undefined;
  /** From the word to a woken machine that hashes, as its model and firmware was seen to take; absent where too few were seen. */
  readonly wakeSeconds?: number | undefined;
}

/** What a working GPU can be limited to. */
export interface WorkPoint {
  readonly powerLimitW: number;
  /** What it draws beyond an idle one. */
  readonly marginalW: number;
  /** What it does, of what it does at full power: above 0, at most 1. */
  readonly throughput: number;
  /** What it earns, of what it earns at full power. */
  readonly paid: number;
  /** Whether it counts among the GPUs a contract reserves. */
  readonly serves: boolean;
}

/** One class of work on one GPU part. */
export interface WorkFacts {
  readonly id: string;
  readonly hallId: string;
  readonly className: WorkClassName;
  readonly line: Exclude<Line, 'mining' | 'grid'>;
  readonly gpuModel: string;
  readonly runningGpus: number;
  readonly queuedGpus: number;
  readonly heldGpus: number;
  /** What the nodes of its cluster are used for that it runs on; absent: on every node that has its GPUs. */
  readonly roleId?: string;
  /** GPUs of this part and role that answer and could work, shared by all classes of both. */
  readonly partGpus: number;
  readonly committedGpus: number;
  /** What a working GPU draws beyond an idle one, at full power. */
  readonly marginalWPerGpu: number;
  /** Ascending by power, the last at full power; absent: unmeasured, so that its GPUs work at full power or not at all. */
  readonly points?: readonly WorkPoint[] | undefined;
  /** What a working GPU moves over the hall's uplink; absent is nothing worth counting. */
  readonly uplinkMbpsPerGpu?: number;
  readonly usdPerGpuHour: number;
  readonly penaltyUsdPerGpuHour: number;
  readonly interruptUsdPerGpu: number;
  /** False: what runs may not be interrupted; absent: it may. */
  readonly preemptible?: boolean;
  /** Reserved GPU-hours the contract lets the site leave unserved; absent: none. */
  readonly curtailment?: CurtailmentFacts | undefined;
  /** Absent: no minimum availability is promised. */
  readonly availability?: AvailabilityFacts | undefined;
  /** Absent: nothing of it has to be done by a deadline. */
  readonly deadline?: DeadlineFacts | undefined;
}

/** Chips rented elsewhere. Busbar rents none itself: what a plan has beyond those held is a proposal. */
export interface LeaseFacts {
  readonly id: string;
  /** Committed to, and paid for whether used or not. */
  readonly chips: number;
  readonly costUsdPerChipHour: number;
  /** What the customer pays to whom they are sold on; 0 where they serve a class of work. */
  readonly soldUsdPerChipHour: number;
  /** From then on chips may lapse; undefined: nobody tells when. */
  readonly endsAt: SiteMs | undefined;
  /** The class of work whose GPUs they stand for, and how many of them one chip does. */
  readonly serves: { readonly work: string; readonly gpusPerChip: number } | undefined;
  readonly more: LeaseMoreFacts | undefined;
}

/** Chips that can be rented beyond those committed to. */
export interface LeaseMoreFacts {
  readonly chips: number;
  readonly costUsdPerChipHour: number;
  /** A chip that was rented is paid for at least so long. */
  readonly minimumMs: number;
  /** Held now. */
  readonly rentedChips: number;
  /** Until then they cannot be given back; undefined: any time. */
  readonly keptUntil: SiteMs | undefined;
}

/** Work to be done by a deadline. */
export interface DeadlineFacts {
  /** Still to be done; time of which nobody knows what was done counts as idle. */
  readonly gpuHours: number;
  readonly by: SiteMs;
  readonly penaltyUsdPerGpuHour: number;
}

/** GPU-hours of a contract that may go unserved in a calendar month without penalty. */
export interface CurtailmentFacts {
  readonly gpuHoursPerMonth: number;
  /** What this month still allows; time of which nobody knows what was served counts as unserved. */
  readonly leftGpuHours: number;
  readonly monthEndsAt: SiteMs;
}

/** Credits of a contract for months in which more of its committed GPU-hours went unserved than it allows. */
export interface AvailabilityFacts {
  readonly monthEndsAt: SiteMs;
  readonly credits: readonly {
    /** On top of the credits before it. */
    readonly usd: number;
    /** What may still go unserved this month before it falls due, curtailment included; undefined: it is due, or not promised. */
    readonly leftGpuHours: number | undefined;
    /** The same of the month after. */
    readonly nextGpuHours: number | undefined;
  }[];
}

/** One step of the horizon. Steps never straddle a quarter-hour. */
export interface ForecastStep {
  readonly start: SiteMs;
  readonly durationMs: number;
  readonly priceUsdPerMwh: number;
  readonly wetBulbC: number;
  /** Expected FPPS value of hash, before fees. */
  readonly hashpriceUsdPerPhDay: number;
  /** True where the price is known, false where it is forecast. */
  readonly known: boolean;
  /** That a coincident peak falls into the quarter-hour of this step; absent: not at all. */
  readonly coincidentProbability?: number;
  /** What generators can make, by the series that tells; one that is silent is absent. */
  readonly availableMw?: Readonly<Partial<Record<SeriesName, number>>>;
  /** GPUs that classes of work want, by id; a class that is absent wants what it wants now. The first step is now, whatever this says. */
  readonly wantedGpus?: Readonly<Record<string, number>>;
}

/** GPUs that a class of work wanted in a quarter-hour: running, queued and held, on the mean of what was seen. */
export interface WantedPoint {
  readonly start: SiteMs;
  readonly gpus: number;
  /** Share of the quarter-hour that was seen, 0 to 1. */
  readonly coverage: number;
}

export interface Forecast {
  readonly madeAt: SiteMs;
  readonly steps: readonly ForecastStep[];
}
