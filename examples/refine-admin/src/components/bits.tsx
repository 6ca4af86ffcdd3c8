import { Result, Tooltip } from "antd";
import dayjs from "dayjs";
import type { CSSProperties } from "react";
import { useNow } from "../hooks";
import type { Status } from "../types";
import { lowStock } from "../types";

const money = new Intl.NumberFormat("en-IE", { style: "currency", currency: "EUR" });

export const euro = (amount: number) => money.format(amount);

export const statusColor: Record<Status, string> = {
  new: "#3b82f6",
  paid: "#06b6d4",
  packed: "#f59e0b",
  shipped: "#a855f7",
  delivered: "#22c55e",
  cancelled: "#94a3b8",
};

const Pill = ({ color, text }: { color: string; text: string }) => (
  <span className="pill" style={{ "--color": color } as CSSProperties}>
    <i />
    {text}
  </span>
);

export const StatusTag = ({ status }: { status: Status }) => <Pill color={statusColor[status]} text={status} />;

export const ActiveTag = ({ active }: { active: boolean }) => <Pill color={active ? statusColor.delivered : statusColor.cancelled} text={active ? "on sale" : "hidden"} />;

const ago = (seconds: number) =>
  seconds < 10
    ? "just now"
    : seconds < 60
      ? "a moment ago"
      : seconds < 3600
        ? `${Math.floor(seconds / 60)} min ago`
        : seconds < 86_400
          ? `${Math.floor(seconds / 3600)} h ago`
          : `${Math.floor(seconds / 86_400)} d ago`;

/** "5 min ago", kept true. */
export function Ago({ time }: { time: string | Date }) {
  const now = useNow(10_000);
  const then = dayjs(time);
  return (
    <Tooltip title={then.format("D MMM YYYY, HH:mm:ss")}>
      <span className="ago">{ago((now - then.valueOf()) / 1000)}</span>
    </Tooltip>
  );
}

/** In place of a record that cannot be read: it was deleted, perhaps just now by somebody else. */
export const Gone = ({ error }: { error: { message: string } }) => <Result status="404" title={error.message} />;

export function Stock({ stock }: { stock: number }) {
  const level = stock < lowStock ? "low" : stock < 25 ? "middle" : "good";
  return (
    <span className={`stock stock-${level}`}>
      <b>{stock}</b>
      <i>
        <u style={{ width: `${Math.min(100, stock)}%` }} />
      </i>
    </span>
  );
}
