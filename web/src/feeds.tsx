import type { Overview } from '../../src/model/api.ts';
import { age, known } from './format.ts';
import { ToneMark } from './parts.tsx';
import { plural } from './verdict.ts';

type Feed = Overview['feeds'][number];

/** Where the figures above come from, and what happens when a source falls silent. */
export function FeedList({ feeds }: { feeds: Overview['feeds'] }) {
  const failing = feeds.filter(({ failure }) => failure !== null).length;
  return (
    <details className="feed-list" open={failing > 0}>
      <summary>
        {plural(feeds.length, 'feed')}
        {failing > 0 && <span className="tone-warn">, {failing} of them cannot be read</span>}
      </summary>
      <ul>
        {feeds.map((feed) => (
          <FeedRow key={feed.id} feed={feed} />
        ))}
      </ul>
    </details>
  );
}

function FeedRow({ feed }: { feed: Feed }) {
  return (
    <li>
      <p>
        {feed.failure !== null && <ToneMark tone="warn" />} <strong>{feed.id}</strong>{' '}
        <span className="muted">
          {feed.feed}, {known(feed.readAgoMs) ? `asked ${age(feed.readAgoMs)} ago` : 'not asked yet'}
          {feed.tells.length > 0 && `, tells ${plural(feed.tells.length, 'series').replace('seriess', 'series')}`}
        </span>
      </p>
      {feed.failure !== null && <p className="tone-warn">{feed.failure}</p>}
      <p className="muted">When silent: {feed.silence}.</p>
      {feed.mended.length > 0 && (
        <details>
          <summary className="muted">{plural(feed.mended.length, 'thing')} mended or told about the source</summary>
          <ul className="mended">
            {feed.mended.slice(-20).map((line) => (
              <li key={line}>{line}</li>
            ))}
          </ul>
        </details>
      )}
    </li>
  );
}
