"""Posts of users, with tags and comments."""

from django.contrib.auth.models import User
from django.db import models


class Tag(models.Model):
    name = models.SlugField(unique=True)


class Post(models.Model):
    author = models.ForeignKey(User, on_delete=models.CASCADE)
    title = models.CharField(max_length=200)
    body = models.TextField()
    status = models.CharField(max_length=10, default="draft")
    published = models.DateTimeField(null=True, db_index=True)
    meta = models.JSONField(default=dict)
    tags = models.ManyToManyField(Tag)


class Comment(models.Model):
    post = models.ForeignKey(Post, on_delete=models.CASCADE, related_name="comments")
    name = models.CharField(max_length=80)
    body = models.TextField()
    created = models.DateTimeField(auto_now_add=True)
    approved = models.BooleanField(default=False)
