import { useSubscription } from "@refinedev/core";
import type { LiveEvent, Reset } from "livebridge";
import { useEffect, useReducer, useRef, useState } from "react";
import type { Payload } from "./types";

export type Message = LiveEvent<Payload> | Reset;

/** Calls f with every event of the resource ("*": of all), this page's own included, and with every reset. */
export function useLiveEvents(resource: string, f: (message: Message) => void, params?: { last?: number }) {
  const latest = useRef(f); // useSubscription keeps the function of the first render
  latest.current = f;
  useSubscription({ channel: resource, params, onLiveEvent: (event) => latest.current(event.meta?.events[0]) });
}

/** Which records have just changed: a CSS class for their rows, for as long as the highlight lasts. */
export function useFlash(resource: string) {
  const counts = useRef(new Map<string, number>());
  const timers = useRef(new Set<number>());
  const [, render] = useReducer((n: number) => n + 1, 0);
  useLiveEvents(resource, (m) => {
    if (m.kind !== "event" || Date.now() - m.date.getTime() > 60_000) return;
    const marks = m.ids.map((id) => [id, (counts.current.get(id) ?? 0) + 1] as const);
    for (const [id, n] of marks) counts.current.set(id, n);
    render();
    const timer = window.setTimeout(() => {
      timers.current.delete(timer);
      for (const [id, n] of marks) if (counts.current.get(id) === n) counts.current.delete(id);
      render();
    }, 2600);
    timers.current.add(timer);
  });
  useEffect(() => () => timers.current.forEach((t) => clearTimeout(t)), []);
  // Two classes with the same look: the animation starts anew when a record changes again.
  return (record: { id: number }) => {
    const n = counts.current.get(`${record.id}`);
    return n ? `flash-${n % 2}` : "";
  };
}

/** Calls f when something of the resources happened: at once, then at most every `ms`. */
export function useOnChange(resources: string[], f: () => void, ms = 500) {
  const timer = useRef<number>(undefined);
  const again = useRef(false);
  const happened = () => {
    if (timer.current !== undefined) return void (again.current = true);
    f();
    timer.current = window.setTimeout(() => {
      timer.current = undefined;
      if (again.current) happened();
      again.current = false;
    }, ms);
  };
  useLiveEvents("*", (m) => (m.kind === "reset" || resources.includes(m.resource)) && happened());
  useEffect(
    () => () => {
      clearTimeout(timer.current);
      timer.current = undefined;
    },
    [],
  );
}

/** The present time, renewed every `ms`. */
export function useNow(ms: number) {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), ms);
    return () => clearInterval(timer);
  }, [ms]);
  return now;
}
