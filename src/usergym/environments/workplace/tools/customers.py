"""Customer relationship management."""

from typing import Any

from usergym.environments.workplace.state import State
from usergym.environments.workplace.tables import containing, page_of

STATUSES = ("Qualified", "Won", "Lost", "Lead", "Proposal")
PRODUCTS = ("Software", "Hardware", "Services", "Consulting", "Training")
_FIELDS = (
    "customer_name",
    "assigned_to_email",
    "customer_email",
    "customer_phone",
    "last_contact_date",
    "product_interest",
    "status",
    "notes",
    "follow_up_by",
)


def search_customers(
    office: State,
    /,
    customer_name: Any = None,
    customer_email: Any = None,
    product_interest: Any = None,
    status: Any = None,
    assigned_to_email: Any = None,
    last_contact_date_min: Any = None,
    last_contact_date_max: Any = None,
    follow_up_by_min: Any = None,
    follow_up_by_max: Any = None,
    page: Any = 1,
    page_size: Any = 5,
) -> Any:
    given = {
        "customer_name": customer_name,
        "customer_email": customer_email,
        "product_interest": product_interest,
        "status": status,
        "assigned_to_email": assigned_to_email,
    }
    texts = {column: text for column, text in given.items() if text}
    least = {"last_contact_date": last_contact_date_min, "follow_up_by": follow_up_by_min}
    most = {"last_contact_date": last_contact_date_max, "follow_up_by": follow_up_by_max}
    if not texts and not any(least.values()) and not any(most.values()):
        return "No search parameters provided. Please provide at least one parameter."
    found = containing(office.customers, texts)
    # Dates are compared as texts, as the peer does: an upper bound without a time leaves that day out.
    for column, bound in least.items():
        if bound:
            found = [row for row in found if row[column] is not None and row[column] >= bound]
    for column, bound in most.items():
        if bound:
            found = [row for row in found if row[column] is not None and row[column] <= bound]
    paged = page_of(found, "customers", page, page_size)
    return paged if found else "No customers found."


def update_customer(office: State, /, customer_id: Any = None, field: Any = None, new_value: Any = None) -> Any:
    if not customer_id or not field or not new_value:
        return "Customer ID, field, or new value not provided."
    if field == "status" and new_value not in STATUSES:
        return f"Status not valid. Please choose from: {', '.join(map(repr, STATUSES))}"
    if field == "product_interest" and new_value not in PRODUCTS:
        return f"Product interest not valid. Please choose from: {', '.join(map(repr, PRODUCTS))}"
    if field in ("customer_email", "assigned_to_email"):
        new_value = new_value.lower()
    places = office.customers.places(customer_id)
    if not places:
        return "Customer not found."
    if field not in office.customers.base.columns:
        return f"Field not valid. Please choose from: {', '.join(map(repr, _FIELDS))}"
    office.customers.update(places, field, new_value)
    return "Customer updated successfully."


def add_customer(
    office: State,
    /,
    customer_name: Any = None,
    assigned_to_email: Any = None,
    status: Any = None,
    customer_email: Any = None,
    customer_phone: Any = None,
    last_contact_date: Any = None,
    product_interest: Any = None,
    notes: Any = "",
    follow_up_by: Any = None,
) -> Any:
    if not all([customer_name, assigned_to_email, status]):
        return "Please provide all required fields: customer_name, assigned_to_email, status."
    customer_id = str(int(office.customers.highest_id() or 0) + 1).zfill(8)
    office.customers.add(
        {
            "customer_id": customer_id,
            "customer_name": customer_name,
            "customer_email": customer_email.lower() if customer_email else customer_email,
            "customer_phone": customer_phone,
            "last_contact_date": last_contact_date,
            "product_interest": product_interest,
            "status": status,
            "assigned_to_email": assigned_to_email.lower(),
            "notes": notes,
            "follow_up_by": follow_up_by,
        }
    )
    return customer_id


def delete_customer(office: State, /, customer_id: Any = None) -> Any:
    if not customer_id:
        return "Customer ID not provided."
    places = office.customers.places(customer_id)
    office.customers.delete(places)
    return "Customer deleted successfully." if places else "Customer not found."
