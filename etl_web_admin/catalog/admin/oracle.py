"""What the source form asks Oracle: views, columns with advice, key checks, and the plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST

from etl_web_admin.catalog import etl, validators
from etl_web_admin.catalog.admin.base import require
from etl_web_admin.catalog.admin.plans import plan_parts
from etl_web_admin.catalog.models import DataSource, DataStore

if TYPE_CHECKING:
    from etl_web_admin.catalog.admin.base import Admin as _Base
else:
    _Base = object

MAX_KEY_COLUMNS = 32


class OraclePicker(_Base):
    """Answers for the form's script, as JSON, and the page of "Check"."""

    def picker_urls(self) -> list[URLPattern]:
        """Addresses under the source list; POST only, with a CSRF token."""
        questions = {"views": _views, "columns": _columns, "keys": _keys}
        return [
            path(
                f"oracle/{name}/",
                self.admin_site.admin_view(require_POST(_answering(question))),
                name=f"catalog_datasource_{name}",
            )
            for name, question in questions.items()
        ]

    def plan_page(self, request: HttpRequest, source: DataSource) -> HttpResponse:
        """The page that asks for the plan; its script does so at once."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.model._meta,
            "title": f"Check {source.view}",
            "source": source,
            "ask": reverse("admin:catalog_datasource_plan", args=(source.pk,)),
            "back": reverse("admin:catalog_datasource_change", args=(source.pk,)),
        }
        return TemplateResponse(request, "catalog/plan_page.html", context)

    def plan_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The plan of the next load as a piece of page, or why there is none."""
        source = self.found(request, str(object_id))
        context: dict[str, Any] = {"source": source}
        if request.method == "POST":
            try:
                (plan,) = etl.ask("plan", etl.named(source))["plans"]
                context["plan"] = plan_parts(plan)
            except etl.Refusal as refusal:
                context["refusal"] = refusal
        return TemplateResponse(request, "catalog/plan.html", context)


def _answering(question: Callable[[HttpRequest], dict[str, Any]]) -> Callable[..., HttpResponse]:
    def view(request: HttpRequest) -> HttpResponse:
        require(request, "view_datastore")
        if not request.user.has_perm("catalog.add_datasource"):
            require(request, "change_datasource")
        try:
            return JsonResponse(question(request))
        except etl.Refusal as refusal:
            return _refused(refusal.message, refusal.action)
        except ValidationError as error:
            return _refused(" ".join(error.messages))

    return view


def _refused(message: str, action: str = "") -> JsonResponse:
    return JsonResponse({"error": {"message": message, "action": action}}, status=422)


def _store(request: HttpRequest) -> str:
    pk = request.POST.get("store", "")
    if not pk.isdecimal():
        raise ValidationError("Choose a data store first.")
    return get_object_or_404(DataStore.objects.only("name"), pk=int(pk)).name


def _view(request: HttpRequest) -> str:
    name = request.POST.get("view", "").strip().upper()
    validators.oracle_view(name)
    return name


def _views(request: HttpRequest) -> dict[str, Any]:
    like = request.POST.get("like", "").strip()
    validators.printable(like)
    return etl.ask("store-views", _store(request), *([f"--like={like}"] if like else []))


def _columns(request: HttpRequest) -> dict[str, Any]:
    return etl.ask("store-columns", _store(request), _view(request))


def _keys(request: HttpRequest) -> dict[str, Any]:
    names = [name.strip().upper() for name in request.POST.get("columns", "").split(",")]
    validators.oracle_names(names)
    if len(names) > MAX_KEY_COLUMNS:
        raise ValidationError(f"At most {MAX_KEY_COLUMNS} columns make a key.")
    return etl.ask("store-keys", _store(request), _view(request), f"--columns={','.join(names)}")
