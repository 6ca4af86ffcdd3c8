import { Popover, Typography } from "antd";
import { useLiveStatus } from "livebridge/react";
import { useNow } from "../hooks";
import { client } from "../live";

const words = {
  connecting: ["Connecting", "The first connection to the bridge is being opened."],
  live: ["Live", "Connected. Every change shows up here at once."],
  resuming: ["Catching up", "Connected again; what was missed is being replayed."],
  offline: ["Offline", "No connection. What you see may be out of date; nothing is missed once it is back."],
  closed: ["Not connected", "No page needs live events now."],
} as const;

/** Shows whether what is on the page is up to date. */
export function LiveBadge() {
  const { state, attempt, retryAt } = useLiveStatus(client);
  const [word, help] = words[state];
  return (
    <Popover
      placement="bottomRight"
      content={
        <div style={{ maxWidth: 260 }}>
          <Typography.Paragraph style={{ marginBottom: 8 }}>{help}</Typography.Paragraph>
          <Typography.Text type="secondary" style={{ fontSize: 12 }}>
            session {client.session ?? "none yet"}
            {attempt > 0 && `, try ${attempt}`}
          </Typography.Text>
        </div>
      }
    >
      <span className={`badge badge-${state}`} data-testid="live" data-state={state} role="status">
        <i />
        {word}
        {retryAt && <Countdown to={retryAt} />}
      </span>
    </Popover>
  );
}

function Countdown({ to }: { to: number }) {
  const seconds = Math.ceil((to - useNow(250)) / 1000);
  return seconds > 0 ? <small>again in {seconds} s</small> : null;
}
