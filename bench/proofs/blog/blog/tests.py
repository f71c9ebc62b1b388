"""What the blog's views ask for, as its suite asks it."""

import datetime as dt

from django.contrib.auth.models import Group, Permission, User
from django.contrib.sessions.backends.db import SessionStore
from django.db.models import Avg, Count, Exists, F, Max, OuterRef, Prefetch, Q, Subquery, Sum, Window
from django.db.models.functions import Length, Lower, Rank, TruncMonth
from django.test import TestCase
from django.utils import timezone

from blog.models import Comment, Post, Tag


class Views(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.now = timezone.now()
        cls.users = [User.objects.create_user(f"u{n}", f"u{n}@x.org", "pw") for n in range(4)]
        tags = Tag.objects.bulk_create([Tag(name=f"t{n}") for n in range(6)])
        for n in range(20):
            post = Post.objects.create(
                author=cls.users[n % 4],
                title=f"Title {n}",
                body="about snow",
                status="live" if n % 3 else "draft",
                published=cls.now - dt.timedelta(days=n),
                meta={"lang": "de", "n": n},
            )
            post.tags.set(tags[n % 3 : n % 3 + 2])
            Comment.objects.bulk_create(
                [Comment(post=post, name="a", body="b", approved=bool(k % 2)) for k in range(3)]
            )

    def test_lists(self) -> None:
        live = Post.objects.filter(status="live", published__lte=self.now)
        for page in range(3):
            list(live.select_related("author").order_by("-published", "-id")[page * 5 : page * 5 + 5])
        live.count()
        approved = Prefetch("comments", Comment.objects.filter(approved=True).order_by("created"))
        list(live.prefetch_related("tags", approved))
        list(Post.objects.filter(tags__name="t1").distinct())
        list(Post.objects.filter(tags__name__in=["t1", "t2", "t3"]).order_by("published"))
        list(Post.objects.exclude(tags__name="t1").values_list("id", "title"))

    def test_search(self) -> None:
        for word in ("snow", "rust"):
            list(Post.objects.filter(Q(title__icontains=word) | Q(body__icontains=word)).order_by("-published")[:10])
        list(Post.objects.filter(title__istartswith="title 1"))
        list(Post.objects.filter(meta__lang="de", meta__n__gt=5))
        list(Post.objects.filter(meta__contains={"lang": "de"}))
        list(Post.objects.annotate(low=Lower("title")).filter(low="title 3"))
        list(Post.objects.filter(published__year=self.now.year, published__month=self.now.month))

    def test_sums(self) -> None:
        list(
            Post.objects.annotate(month=TruncMonth("published"))
            .values("month")
            .annotate(n=Count("id"))
            .order_by("month")
        )
        list(User.objects.annotate(n=Count("post", filter=Q(post__status="live"))).filter(n__gt=1).order_by("-n"))
        list(Post.objects.annotate(place=Window(Rank(), partition_by="author", order_by=F("published").desc()))[:10])
        newest = Comment.objects.filter(post=OuterRef("pk")).order_by("-created")
        list(
            Post.objects.annotate(
                last=Subquery(newest.values("created")[:1]), some=Exists(newest.filter(approved=True))
            )
        )
        Post.objects.aggregate(Max("published"), Sum("author_id"), length=Avg(Length("body")))

    def test_changes(self) -> None:
        post = Post.objects.select_for_update().get(pk=Post.objects.first().pk)
        post.title = "changed"
        post.save(update_fields=["title"])
        Comment.objects.filter(post=post, approved=False).update(approved=True, name=F("body"))
        Tag.objects.get_or_create(name="t9")
        Post.objects.filter(status="draft", published__lt=self.now - dt.timedelta(days=15)).delete()
        Comment.objects.bulk_create([Comment(post=Post.objects.last(), name="c", body="d") for _ in range(5)])

    def test_accounts(self) -> None:
        user = self.users[0]
        user.user_permissions.add(*Permission.objects.all()[:3])
        user.groups.add(Group.objects.create(name="editors"))
        User.objects.get(pk=user.pk).get_all_permissions()
        self.client.force_login(user)
        session = SessionStore()
        session["a"] = 1
        session.save()
        SessionStore(session.session_key).load()
        session.clear_expired()
