import { Form, Input, InputNumber, Select, Switch } from "antd";
import { categories } from "../types";

/** The fields of a product's form. */
export const ProductFields = () => (
  <div className="product-form">
    <Form.Item className="full" label="Name" name="name" rules={[{ required: true, whitespace: true }]}>
      <Input />
    </Form.Item>
    <Form.Item label="SKU" name="sku" rules={[{ required: true, whitespace: true, message: "SKU is required" }]}>
      <Input />
    </Form.Item>
    <Form.Item label="Category" name="category" rules={[{ required: true }]}>
      <Select options={categories.map((value) => ({ value }))} />
    </Form.Item>
    <Form.Item label="Price" name="price" rules={[{ required: true }]}>
      <InputNumber min={0} max={100_000} precision={2} step={0.5} prefix="€" style={{ width: "100%" }} />
    </Form.Item>
    <Form.Item label="Stock" name="stock" rules={[{ required: true }]}>
      <InputNumber min={0} max={1_000_000} precision={0} style={{ width: "100%" }} />
    </Form.Item>
    <Form.Item className="full" label="Description" name="description">
      <Input.TextArea autoSize={{ minRows: 2, maxRows: 6 }} />
    </Form.Item>
    <Form.Item label="On sale" name="active" valuePropName="checked">
      <Switch />
    </Form.Item>
  </div>
);
