"""Notices to people: written in the unit that makes the news, read on their next page."""

from finops_core.notifications.queries import NoticeView, unread, unread_count
from finops_core.notifications.service import notify, read_all, read_one

__all__ = ["NoticeView", "notify", "read_all", "read_one", "unread", "unread_count"]
