import { PlusOutlined } from "@ant-design/icons";
import { useCreate, useLink, useOne } from "@refinedev/core";
import { useTable } from "@refinedev/antd";
import { Button, Card, Table, Typography } from "antd";
import { useLiveStatus } from "livebridge/react";
import { Ago, StatusTag, euro, statusColor } from "../components/bits";
import { Feed, useFeed } from "../components/Feed";
import { client } from "../live";
import { useFlash, useOnChange } from "../hooks";
import type { Order, Stats, Status } from "../types";

export function Dashboard() {
  // Read again when something happens; while the bridge is away, every second.
  const { state } = useLiveStatus(client);
  const { result: stats, query } = useOne<Stats>({ resource: "stats", id: "now", liveMode: "off", queryOptions: { refetchInterval: state === "live" ? false : 1000 } });
  useOnChange(["orders", "products"], () => query.refetch({ cancelRefetch: false }));
  const { mutate, mutation } = useCreate<Order>();
  return (
    <>
      <div style={{ display: "flex", justifyContent: "space-between", alignItems: "center", marginBottom: 16 }}>
        <Typography.Title level={4} style={{ margin: 0 }}>
          Dashboard
        </Typography.Title>
        <Button
          type="primary"
          icon={<PlusOutlined />}
          loading={mutation.isPending}
          onClick={() =>
            mutate({
              resource: "orders",
              values: { sample: true },
              successNotification: (answer) => ({ type: "success", description: `Order ${answer?.data.id} was placed`, message: answer ? `${answer.data.customer}, ${euro(Number(answer.data.total))}` : "" }),
            })
          }
        >
          Place a sample order
        </Button>
      </div>
      <div className="tiles">
        <Tile label="Revenue, 24 h" value={stats && euro(stats.revenue)} note={stats && `${stats.orders} orders`} />
        <Tile label="Open orders" value={stats?.open} note={stats && `${stats.status.new ?? 0} wait for payment`} />
        <Tile label="Low in stock" value={stats?.low_stock} note={stats && `of ${stats.products} products on sale`} />
        <Tile
          label="Events in the outbox"
          value={stats?.unpublished}
          note={stats && (stats.unpublished ? "they wait for NATS" : "everything has been published")}
        />
      </div>
      <div className="columns">
        <div style={{ display: "grid", gap: 16 }}>
          <Card title="Orders, last 24 hours" size="small">
            <div className="bars">{stats?.hours.map((n, i) => <i key={i} title={`${n}`} style={{ height: `${(100 * n) / Math.max(4, ...stats.hours)}%` }} />)}</div>
            <Split status={stats?.status ?? {}} />
          </Card>
          <LatestOrders />
        </div>
        <Card title="Latest activity" size="small">
          <Feed dense events={useFeed(10).slice(0, 10)} />
        </Card>
      </div>
    </>
  );
}

function Tile({ label, value = "–", note = "" }: { label: string; value?: number | string; note?: string }) {
  return (
    <Card className="tile" data-testid={label}>
      <p>{label}</p>
      <strong>{value}</strong>
      <small>{note}</small>
    </Card>
  );
}

/** How many orders are in each status, as one bar. */
function Split({ status }: { status: Stats["status"] }) {
  const parts = (Object.keys(statusColor) as Status[]).filter((s) => status[s]);
  return (
    <div style={{ marginTop: 18 }}>
      <div className="split">
        {parts.map((s) => (
          <i key={s} style={{ flex: status[s], background: statusColor[s] }} />
        ))}
      </div>
      <div className="legend">
        {parts.map((s) => (
          <span key={s}>
            <i style={{ background: statusColor[s] }} />
            {s} {status[s]}
          </span>
        ))}
      </div>
    </div>
  );
}

function LatestOrders() {
  const Link = useLink();
  const { tableProps } = useTable<Order>({
    resource: "orders",
    syncWithLocation: false,
    pagination: { pageSize: 6 },
    sorters: { initial: [{ field: "id", order: "desc" }] },
  });
  return (
    <Card title="Latest orders" size="small" styles={{ body: { padding: 0 } }} extra={<Link to="/orders">All orders</Link>}>
      <Table {...tableProps} rowKey="id" size="small" pagination={false} onChange={undefined} rowClassName={useFlash("orders")} loading={false}>
        <Table.Column<Order> dataIndex="id" title="Order" render={(id) => <Link to={`/orders/show/${id}`}>{id}</Link>} />
        <Table.Column<Order> dataIndex="customer" title="Customer" ellipsis />
        <Table.Column<Order> dataIndex="total" title="Total" align="right" className="number" render={euro} />
        <Table.Column<Order> dataIndex="status" title="Status" render={(status) => <StatusTag status={status} />} />
        <Table.Column<Order> dataIndex="created_at" title="Placed" render={(time) => <Ago time={time} />} />
      </Table>
    </Card>
  );
}
