export interface Product {
  id: number;
  sku: string;
  name: string;
  category: string;
  price: number;
  stock: number;
  active: boolean;
  description: string;
  updated_at: string;
}

export type Status = "new" | "paid" | "packed" | "shipped" | "delivered" | "cancelled";

export interface Order {
  id: number;
  customer: string;
  city: string;
  status: Status;
  total: number;
  created_at: string;
  updated_at: string;
  items?: { product_id: number; name: string; quantity: number; price: number }[];
}

export interface Stats {
  id: string;
  revenue: number;
  orders: number;
  open: number;
  low_stock: number;
  products: number;
  status: Partial<Record<Status, number>>;
  hours: number[];
  unpublished: number;
}

export interface Simulation {
  id: string;
  on: boolean;
  per_minute: number;
  until: string;
}

/** What the backend puts into an event. */
export interface Payload {
  title?: string;
  change?: Record<string, [unknown, unknown]>;
  total?: number;
  on?: boolean;
  per_minute?: number;
}

export const categories = ["Grinders", "Brewers", "Kettles", "Accessories", "Cups", "Beans"];

export const lowStock = 10;

/** What an order can become, the usual step first. */
export const next: Record<Status, Status[]> = {
  new: ["paid", "cancelled"],
  paid: ["packed", "cancelled"],
  packed: ["shipped"],
  shipped: ["delivered"],
  delivered: [],
  cancelled: [],
};
