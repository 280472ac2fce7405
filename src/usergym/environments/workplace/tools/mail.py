"""The mailbox."""

from datetime import datetime, time
from typing import Any

from usergym.environments.workplace.dates import timestamp
from usergym.environments.workplace.state import SHAPE_ERRORS, State
from usergym.environments.workplace.tables import page_of


def get_email_information_by_id(office: State, /, email_id: Any = None, field: Any = None) -> Any:
    if not email_id:
        return "Email ID not provided."
    if not field:
        return "Field not provided."
    places = office.emails.places(email_id)
    if not places:
        return "Email not found."
    email = office.emails[places[0]]
    if field in email:
        return {field: email[field]}
    return f"Field '{field}' not found. Available fields: {', '.join(email)}"


def search_emails(
    office: State, /, query: Any = "", date_min: Any = None, date_max: Any = None, page: Any = 1, page_size: Any = 5
) -> Any:
    try:
        words = query.lower().split()
        earliest = latest = None
        problem: ValueError | TypeError | None = None
        try:
            earliest = datetime.combine(timestamp(date_min), time.min) if date_min else None
            latest = datetime.combine(timestamp(date_max), time.max) if date_max else None
        except (ValueError, TypeError) as error:
            problem = error
        found = office.base.mail.find(office.emails, words, earliest, latest)
        if problem and found:
            return f"Error searching emails: {problem}"
        return page_of(found, "emails", page, page_size) if found else "No emails found."
    except SHAPE_ERRORS as error:
        return f"Error searching emails: {error}"


def send_email(office: State, /, recipient: Any = None, subject: Any = None, body: Any = None) -> Any:
    if not recipient or not subject or not body:
        return "Recipient, subject, or body not provided."
    if "@" not in recipient or "." not in recipient:
        return "Invalid recipient email address."
    try:
        highest = office.emails.highest_id()
        email = {
            "email_id": "1" if highest is None else str(int(highest) + 1),
            "inbox/outbox": "outbox",
            "sender/recipient": recipient.lower(),
            "subject": subject,
            "sent_datetime": str(office.now),
            "body": body,
        }
    except SHAPE_ERRORS as error:
        return f"Error sending email: {error}"
    office.emails.add(email)
    return "Email sent successfully."


def delete_email(office: State, /, email_id: Any = None) -> Any:
    if not email_id:
        return "Email ID not provided."
    places = office.emails.places(email_id)
    office.emails.delete(places)
    return "Email deleted successfully." if places else "Email not found."


def forward_email(office: State, /, email_id: Any = None, recipient: Any = None) -> Any:
    if not email_id or not recipient:
        return "Email ID or recipient not provided."
    if "@" not in recipient or "." not in recipient:
        return "Invalid recipient email address."
    places = office.emails.places(email_id)
    if not places:
        return "Email not found."
    email = office.emails[places[0]]
    result = send_email(office, recipient, f"FW: {email['subject']}", email["body"])
    return _unless_failed(result, "Email forwarded successfully.")


def reply_email(office: State, /, email_id: Any = None, body: Any = None) -> Any:
    if not email_id or not body:
        return "Email ID or body not provided."
    places = office.emails.places(email_id)
    if not places:
        return "Email not found."
    email = office.emails[places[0]]
    result = send_email(office, email["sender/recipient"], f"RE: {email['subject']}", body)
    return _unless_failed(result, "Email replied successfully.")


def _unless_failed(result: str, done: str) -> str:
    return result if "Error" in result or "Invalid" in result else done
