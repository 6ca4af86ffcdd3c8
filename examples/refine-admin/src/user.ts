// Who sits in front of this window. There is no login here: each window gets a name, so that the feed can say who did what.
import { useSyncExternalStore } from "react";

export const users = ["Eva", "Tom", "Mira", "Jan", "Lena", "Omar"];

const listeners = new Set<() => void>();

export function currentUser(): string {
  const asked = new URLSearchParams(location.search).get("as");
  const name = asked && users.includes(asked) ? asked : sessionStorage.getItem("user");
  return name ?? setUser(users[Math.floor(Math.random() * users.length)]);
}

export function setUser(name: string): string {
  sessionStorage.setItem("user", name);
  listeners.forEach((f) => f());
  return name;
}

export const useUser = () =>
  useSyncExternalStore((f) => {
    listeners.add(f);
    return () => void listeners.delete(f);
  }, currentUser);

const colors = ["#0f766e", "#b45309", "#6d28d9", "#be123c", "#1d4ed8", "#4d7c0f"];

export const colorOf = (name: string) => colors[users.indexOf(name)] ?? "#64748b";
