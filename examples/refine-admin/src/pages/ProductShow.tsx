import { Show } from "@refinedev/antd";
import { useShow } from "@refinedev/core";
import { Descriptions } from "antd";
import { ActiveTag, Ago, Gone, Stock, euro } from "../components/bits";
import type { Product } from "../types";

export function ProductShow() {
  const { result: p, query } = useShow<Product>();
  return (
    <Show title={p?.name ?? "Product"} isLoading={query.isLoading}>
      {query.isError && <Gone error={query.error} />}
      {p && !query.isError && (
        <Descriptions
          bordered
          column={1}
          style={{ maxWidth: 720 }}
          styles={{ label: { width: 160 } }}
          items={[
            { key: "sku", label: "SKU", children: p.sku },
            { key: "category", label: "Category", children: p.category },
            { key: "price", label: "Price", children: <b className="number">{euro(p.price)}</b> },
            { key: "stock", label: "Stock", children: <Stock stock={p.stock} /> },
            { key: "active", label: "Shop", children: <ActiveTag active={p.active} /> },
            { key: "description", label: "Description", children: p.description || "–" },
            { key: "updated", label: "Changed", children: <Ago time={p.updated_at} /> },
          ]}
        />
      )}
    </Show>
  );
}
