"""The 27 tools, by the name a model calls them. One file is one part of the office.

A tool is a function of an office and the model's arguments, which may be of any type; what it raises becomes a text
for the model. Its names, parameters and answers are those of NeMo Gym's workplace_assistant, text for text.
"""

from collections.abc import Callable
from typing import Any

from usergym.environments.workplace.tools import boards, customers, directory, mail, meetings, traffic

TOOLS: dict[str, Callable[..., Any]] = {
    "company_directory_find_email_address": directory.find_email_address,
    "email_get_email_information_by_id": mail.get_email_information_by_id,
    "email_search_emails": mail.search_emails,
    "email_send_email": mail.send_email,
    "email_delete_email": mail.delete_email,
    "email_forward_email": mail.forward_email,
    "email_reply_email": mail.reply_email,
    "calendar_get_event_information_by_id": meetings.get_event_information_by_id,
    "calendar_search_events": meetings.search_events,
    "calendar_create_event": meetings.create_event,
    "calendar_delete_event": meetings.delete_event,
    "calendar_update_event": meetings.update_event,
    "analytics_get_visitor_information_by_id": traffic.get_visitor_information_by_id,
    "analytics_create_plot": traffic.create_plot,
    "analytics_total_visits_count": traffic.total_visits_count,
    "analytics_engaged_users_count": traffic.engaged_users_count,
    "analytics_traffic_source_count": traffic.traffic_source_count,
    "analytics_get_average_session_duration": traffic.get_average_session_duration,
    "project_management_get_task_information_by_id": boards.get_task_information_by_id,
    "project_management_search_tasks": boards.search_tasks,
    "project_management_create_task": boards.create_task,
    "project_management_delete_task": boards.delete_task,
    "project_management_update_task": boards.update_task,
    "customer_relationship_manager_search_customers": customers.search_customers,
    "customer_relationship_manager_update_customer": customers.update_customer,
    "customer_relationship_manager_add_customer": customers.add_customer,
    "customer_relationship_manager_delete_customer": customers.delete_customer,
}

WRITES = frozenset(
    {
        "email_send_email",
        "email_delete_email",
        "email_forward_email",
        "email_reply_email",
        "calendar_create_event",
        "calendar_delete_event",
        "calendar_update_event",
        "analytics_create_plot",
        "project_management_create_task",
        "project_management_delete_task",
        "project_management_update_task",
        "customer_relationship_manager_update_customer",
        "customer_relationship_manager_add_customer",
        "customer_relationship_manager_delete_customer",
    }
)
"""Tools that may change something."""
