"""Notices to people: written in the unit that makes the news, read on their next page."""

from finops_core.notifications.about_people import on_second_factor_reset
from finops_core.notifications.queries import NoticeView, unread, unread_count
from finops_core.notifications.service import notify, read_all, read_one

__all__ = ["NoticeView", "notify", "on_second_factor_reset", "read_all", "read_one", "unread", "unread_count"]
