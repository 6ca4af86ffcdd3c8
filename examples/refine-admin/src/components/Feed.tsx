import { DeleteOutlined, EditOutlined, HistoryOutlined, PlusOutlined, RobotOutlined } from "@ant-design/icons";
import { useLink } from "@refinedev/core";
import { Avatar, Empty, Tooltip, Typography } from "antd";
import type { LiveEvent } from "livebridge";
import type { ReactNode } from "react";
import { useState } from "react";
import type { Message } from "../hooks";
import { useLiveEvents } from "../hooks";
import type { Payload } from "../types";
import { colorOf } from "../user";
import { Ago, euro } from "./bits";

type Event = LiveEvent<Payload>;

const pages: Record<string, string> = { products: "/products/show/", orders: "/orders/show/" };

/** The newest events of all resources: first `last` of the past, which the bridge replays from the stream, then live. */
export function useFeed(last: number) {
  const [events, setEvents] = useState<readonly Event[]>([]);
  useLiveEvents(
    "*",
    (m: Message) => {
      if (m.kind === "reset") return; // some are missing now: the feed goes on with what comes
      setEvents((old) => (old.some((e) => e.cursor === m.cursor) ? old : [m, ...old].slice(0, Math.max(last, 200))));
    },
    { last },
  );
  return events;
}

export function Feed({ events, dense }: { events: readonly Event[]; dense?: boolean }) {
  if (!events.length) return <Empty image={Empty.PRESENTED_IMAGE_SIMPLE} description="Nothing has happened yet" />;
  return (
    <ul className={dense ? "feed dense" : "feed"} data-testid="feed">
      {events.map((event) => (
        <Item key={event.cursor} event={event} />
      ))}
    </ul>
  );
}

function Item({ event }: { event: Event }) {
  const Link = useLink();
  const user = typeof event.meta?.user === "string" ? event.meta.user : "";
  const title = event.payload?.title ?? `${event.resource} ${event.ids.join(", ")}`;
  const page = event.type !== "deleted" && pages[event.resource];
  return (
    <li className={event.replayed ? undefined : "fresh"}>
      <Avatar size={30} style={{ background: colorOf(user) }} icon={user === "" || user === "Simulation" ? <RobotOutlined /> : undefined}>
        {user[0]}
      </Avatar>
      <div>
        <span className="what">
          <b>{event.own ? "You" : user || "Someone"}</b> {verb(event)} {page ? <Link to={page + event.id}>{title}</Link> : <strong>{title}</strong>}
        </span>
        <Details event={event} />
      </div>
      <Typography.Text type="secondary" className="when">
        {event.replayed && (
          <Tooltip title="Replayed from the stream">
            <HistoryOutlined />
          </Tooltip>
        )}
        <Ago time={event.date} />
      </Typography.Text>
    </li>
  );
}

const verbs: Record<string, [ReactNode, string]> = {
  created: [<PlusOutlined />, "added"],
  updated: [<EditOutlined />, "changed"],
  deleted: [<DeleteOutlined />, "deleted"],
};

function verb({ resource, type, payload }: Event) {
  const status = payload?.change?.status?.[1];
  if (resource === "orders" && type === "created") return "placed";
  if (resource === "orders" && status) return status === "cancelled" ? "cancelled" : "moved on";
  if (resource === "settings") return payload?.on ? "turned on" : "turned off";
  return verbs[type]?.[1] ?? type;
}

const show = (field: string, value: unknown) =>
  field === "price" ? euro(Number(value)) : field === "active" ? (value ? "on sale" : "hidden") : `${value === "" ? "empty" : value}`;

/** The fields that changed, each from what to what. */
function Details({ event: { payload } }: { event: Event }) {
  const parts: ReactNode[] = Object.entries(payload?.change ?? {}).map(([field, [before, after]]) =>
    field === "description" ? (
      <span key={field}>description</span>
    ) : (
      <span key={field}>
        {field} <s>{show(field, before)}</s> → <em>{show(field, after)}</em>
      </span>
    ),
  );
  if (payload?.total !== undefined) parts.push(<span key="total">for <em>{euro(payload.total)}</em></span>);
  if (payload?.on) parts.push(<span key="on">{payload.per_minute} a minute</span>);
  return parts.length ? <span className="details">{parts}</span> : null;
}
