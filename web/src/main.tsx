import { QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app.tsx';
import { LiveContext, paintEvent, queryClient } from './data.ts';
import { wallNow } from './hooks.ts';
import { openEventSource, startLive } from './live.ts';
import './styles/tokens.css';
import './styles/base.css';
import './styles/dialogs.css';
import './styles/frame.css';
import './styles/power.css';
import './styles/strip.css';
import './styles/events.css';
import './styles/orders.css';
import './styles/tables.css';
import './styles/site.css';
import './styles/responsive.css';

const live = startLive({
  open: openEventSource('/api/v1/events', ['overview', 'plan', 'interval', 'activity']),
  now: wallNow,
  setTimer: (run, ms) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  onPaint: (events) => {
    for (const { name, data } of events) paintEvent(name, data);
  },
  onBack: () => void queryClient.invalidateQueries({ predicate: ({ queryKey }) => queryKey[0] !== 'overview' }),
});

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <QueryClientProvider client={queryClient}>
      <LiveContext value={live}>
        <App />
      </LiveContext>
    </QueryClientProvider>
  </StrictMode>,
);
