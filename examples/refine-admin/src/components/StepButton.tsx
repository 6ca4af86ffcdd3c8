import { useUpdate } from "@refinedev/core";
import type { ButtonProps } from "antd";
import { Button } from "antd";
import type { Order, Status } from "../types";
import { next } from "../types";

const label: Record<Status, string> = { new: "", paid: "Mark paid", packed: "Mark packed", shipped: "Mark shipped", delivered: "Mark delivered", cancelled: "Cancel order" };

/** Moves the order to a status; without `to`, to the usual next one. Nothing where there is none. */
export function StepButton({ order, to = next[order.status][0], ...props }: { order: Order; to?: Status } & ButtonProps) {
  const { mutate, mutation } = useUpdate<Order>();
  if (!to) return null;
  return (
    <Button {...props} loading={mutation.isPending} onClick={() => mutate({ resource: "orders", id: order.id, values: { status: to }, successNotification: false })}>
      {label[to]}
    </Button>
  );
}
