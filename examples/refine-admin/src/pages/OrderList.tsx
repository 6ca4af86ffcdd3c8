import { EyeOutlined, SearchOutlined } from "@ant-design/icons";
import { List, useTable } from "@refinedev/antd";
import { getDefaultFilter, useLink } from "@refinedev/core";
import { Button, Input, Segmented, Space, Table, Tooltip } from "antd";
import { Ago, StatusTag, euro } from "../components/bits";
import { StepButton } from "../components/StepButton";
import { useFlash } from "../hooks";
import type { Order } from "../types";

const choices = ["all", "new", "paid", "packed", "shipped", "delivered", "cancelled"];

export function OrderList() {
  const Link = useLink();
  const { tableProps, filters, setFilters } = useTable<Order>({
    sorters: { initial: [{ field: "id", order: "desc" }] },
    pagination: { pageSize: 12 },
    filters: { defaultBehavior: "merge" },
  });
  const filter = (field: string, value: string | undefined) => setFilters([{ field, operator: "eq", value }]);
  return (
    <List breadcrumb={false}>
      <Space wrap style={{ marginBottom: 16, justifyContent: "space-between", width: "100%" }}>
        <Segmented
          value={getDefaultFilter("status", filters, "eq") ?? "all"}
          onChange={(value) => filter("status", value === "all" ? undefined : value)}
          options={choices.map((value) => ({ value, label: <span style={{ textTransform: "capitalize" }}>{value}</span> }))}
        />
        <Input
          allowClear
          style={{ width: 240 }}
          prefix={<SearchOutlined />}
          placeholder="Customer, city or number"
          defaultValue={getDefaultFilter("q", filters, "eq")}
          onChange={(e) => filter("q", e.target.value || undefined)}
        />
      </Space>
      <Table {...tableProps} rowKey="id" size="middle" rowClassName={useFlash("orders")} scroll={{ x: 720 }} pagination={{ ...tableProps.pagination, showSizeChanger: false }}>
        <Table.Column<Order> dataIndex="id" title="Order" sorter width={100} render={(id) => <Link to={`/orders/show/${id}`}>{id}</Link>} />
        <Table.Column<Order>
          dataIndex="customer"
          title="Customer"
          sorter
          render={(_, o) => (
            <span className="two-lines">
              {o.customer}
              <small>{o.city}</small>
            </span>
          )}
        />
        <Table.Column<Order> dataIndex="total" title="Total" sorter align="right" className="number" render={euro} />
        <Table.Column<Order> dataIndex="status" title="Status" width={120} render={(status) => <StatusTag status={status} />} />
        <Table.Column<Order> dataIndex="updated_at" title="Changed" sorter width={150} render={(time) => <Ago time={time} />} />
        <Table.Column<Order>
          title=""
          align="right"
          width={190}
          render={(_, o) => (
            <Space>
              <StepButton order={o} size="small" />
              <Tooltip title="Show">
                <Link to={`/orders/show/${o.id}`}>
                  <Button size="small" icon={<EyeOutlined />} aria-label={`Show order ${o.id}`} />
                </Link>
              </Tooltip>
            </Space>
          )}
        />
      </Table>
    </List>
  );
}
