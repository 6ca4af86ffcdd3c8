import { Show } from "@refinedev/antd";
import { useLink, useShow } from "@refinedev/core";
import { Card, Descriptions, Space, Steps, Table } from "antd";
import { Ago, Gone, StatusTag, euro } from "../components/bits";
import { StepButton } from "../components/StepButton";
import type { Order, Status } from "../types";
import { next } from "../types";

const way: Status[] = ["new", "paid", "packed", "shipped", "delivered"];

export function OrderShow() {
  const Link = useLink();
  const { result: order, query } = useShow<Order>();
  const cancelled = order?.status === "cancelled";
  return (
    <Show
      title={order ? `Order ${order.id}` : "Order"}
      isLoading={query.isLoading}
      headerButtons={order && <Space>{next[order.status].map((to, i) => <StepButton key={to} order={order} to={to} type={i ? "default" : "primary"} danger={to === "cancelled"} />)}</Space>}
    >
      {query.isError && <Gone error={query.error} />}
      {order && !query.isError && (
        <>
          <Steps
            size="small"
            style={{ margin: "8px 0 28px" }}
            status={cancelled ? "error" : order.status === "delivered" ? "finish" : "process"}
            current={cancelled ? 1 : way.indexOf(order.status)}
            items={way.map((s) => ({ title: <span style={{ textTransform: "capitalize" }}>{cancelled && s === "paid" ? "cancelled" : s}</span> }))}
          />
          <Descriptions
            size="small"
            column={2}
            items={[
              { key: "c", label: "Customer", children: order.customer },
              { key: "s", label: "Status", children: <StatusTag status={order.status} /> },
              { key: "y", label: "City", children: order.city },
              { key: "p", label: "Placed", children: <Ago time={order.created_at} /> },
              { key: "t", label: "Total", children: euro(order.total) },
              { key: "u", label: "Changed", children: <Ago time={order.updated_at} /> },
            ]}
          />
          <Card size="small" title="Items" style={{ marginTop: 16 }} styles={{ body: { padding: 0 } }}>
            <Table rowKey="product_id" size="small" pagination={false} dataSource={order.items}>
              <Table.Column title="Product" dataIndex="name" render={(name, item: { product_id: number }) => <Link to={`/products/show/${item.product_id}`}>{name}</Link>} />
              <Table.Column title="Quantity" dataIndex="quantity" align="right" className="number" />
              <Table.Column title="Price" dataIndex="price" align="right" className="number" render={euro} />
              <Table.Column title="Sum" align="right" className="number" render={(_, i: { price: number; quantity: number }) => euro(i.price * i.quantity)} />
            </Table>
          </Card>
        </>
      )}
    </Show>
  );
}
