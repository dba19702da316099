import { useLink, useLive } from './data.ts';
import { age, clockTime } from './format.ts';
import { useWallNow } from './hooks.ts';
import { ToneMark } from './parts.tsx';

/** Figures older than this are dimmed and say their age. */
const OLD_MS = 6000;

/** True while what is shown can no longer be taken for now. */
export function useOld(): boolean {
  const now = useWallNow();
  const link = useLink();
  if (link.phase === 'lost') return true;
  return link.heardAt !== undefined && now - link.heardAt > OLD_MS;
}

/** Says that the stream is lost, how old the figures are, and when the next try is. */
export function Banner({ at }: { at: string }) {
  const now = useWallNow();
  const link = useLink();
  const live = useLive();
  const old = useOld();
  if (!old) return null;
  const waitMs = link.retryAt === undefined ? undefined : link.retryAt - now;
  return (
    <div className="banner" role="status">
      <ToneMark tone="warn" />
      <p>
        <strong>{link.phase === 'lost' ? 'The live stream is lost.' : 'Nothing new is coming in.'}</strong> Figures are
        as of <span className="figure">{clockTime(at, true)}</span> UTC
        {link.heardAt !== undefined && (
          <>
            , <span className="figure">{age(now - link.heardAt)}</span> ago
          </>
        )}
        .{' '}
        <span className="muted">
          {waitMs === undefined ? 'Trying to reconnect…' : `Next try in ${age(Math.max(0, waitMs))}.`}
        </span>
      </p>
      {link.phase === 'lost' && (
        <button type="button" className="button" onClick={live.retry}>
          Try now
        </button>
      )}
    </div>
  );
}
