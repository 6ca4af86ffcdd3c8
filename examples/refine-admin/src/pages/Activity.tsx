import { List } from "@refinedev/antd";
import { Card, Segmented, Typography } from "antd";
import { useState } from "react";
import { Feed, useFeed } from "../components/Feed";

/** What happened in the shop. It is read from the event stream alone: the backend has no table of it. */
export function Activity() {
  const events = useFeed(50);
  const [resource, setResource] = useState("all");
  const shown = resource === "all" ? events : events.filter((e) => e.resource === resource);
  return (
    <List
      title="Activity"
      breadcrumb={false}
      headerButtons={
        <Segmented
          value={resource}
          onChange={setResource}
          options={[
            { value: "all", label: "All" },
            { value: "orders", label: "Orders" },
            { value: "products", label: "Products" },
          ]}
        />
      }
    >
      <Card>
        <Feed events={shown} />
      </Card>
      <Typography.Paragraph type="secondary" style={{ margin: "12px 4px", fontSize: 13 }}>
        The last 50 events are replayed from the stream when this page opens; then it is live.
      </Typography.Paragraph>
    </List>
  );
}
