import { Create, useForm } from "@refinedev/antd";
import { Form } from "antd";
import { ProductFields } from "../components/ProductFields";
import type { Product } from "../types";

export function ProductCreate() {
  const { formProps, saveButtonProps } = useForm<Product>({ redirect: "list" });
  return (
    <Create saveButtonProps={saveButtonProps}>
      <Form {...formProps} layout="vertical" initialValues={{ active: true, stock: 0, description: "" }}>
        <ProductFields />
      </Form>
    </Create>
  );
}
