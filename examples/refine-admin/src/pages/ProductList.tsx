import { SearchOutlined } from "@ant-design/icons";
import { DeleteButton, EditButton, List, ShowButton, useTable } from "@refinedev/antd";
import { getDefaultFilter, useLink } from "@refinedev/core";
import { Input, Select, Space, Table } from "antd";
import { ActiveTag, Ago, Stock, euro } from "../components/bits";
import { useFlash } from "../hooks";
import type { Product } from "../types";
import { categories } from "../types";

export function ProductList() {
  const Link = useLink();
  const { tableProps, filters, setFilters } = useTable<Product>({ pagination: { pageSize: 12 }, filters: { defaultBehavior: "merge" } });
  return (
    <List breadcrumb={false}>
      <Space wrap style={{ marginBottom: 16 }}>
        <Input
          allowClear
          style={{ width: 240 }}
          prefix={<SearchOutlined />}
          placeholder="Name or SKU"
          defaultValue={getDefaultFilter("q", filters, "eq")}
          onChange={(e) => setFilters([{ field: "q", operator: "eq", value: e.target.value || undefined }])}
        />
        <Select
          allowClear
          mode="multiple"
          style={{ minWidth: 200 }}
          placeholder="All categories"
          aria-label="Categories"
          defaultValue={getDefaultFilter("category", filters, "in")}
          onChange={(value) => setFilters([{ field: "category", operator: "in", value }])}
          options={categories.map((value) => ({ value }))}
        />
      </Space>
      <Table {...tableProps} rowKey="id" size="middle" rowClassName={useFlash("products")} scroll={{ x: 820 }} pagination={{ ...tableProps.pagination, showSizeChanger: false }}>
        <Table.Column<Product>
          dataIndex="name"
          title="Product"
          sorter
          render={(_, p) => (
            <span className="two-lines">
              <Link to={`/products/show/${p.id}`}>{p.name}</Link>
              <small>{p.sku}</small>
            </span>
          )}
        />
        <Table.Column<Product> dataIndex="category" title="Category" sorter  />
        <Table.Column<Product> dataIndex="price" title="Price" sorter align="right" className="number" render={euro} />
        <Table.Column<Product> dataIndex="stock" title="Stock" sorter render={(stock) => <Stock stock={stock} />} />
        <Table.Column<Product> dataIndex="active" title="Shop" render={(active) => <ActiveTag active={active} />} />
        <Table.Column<Product> dataIndex="updated_at" title="Changed" sorter render={(time) => <Ago time={time} />} />
        <Table.Column<Product>
          title=""
          align="right"
          render={(_, p) => (
            <Space>
              <ShowButton hideText size="small" recordItemId={p.id} />
              <EditButton hideText size="small" recordItemId={p.id} />
              <DeleteButton hideText size="small" recordItemId={p.id} />
            </Space>
          )}
        />
      </Table>
    </List>
  );
}
