/**
 * @file
 * Intrusive doubly linked list; a head is a node that links to itself when empty.
 */
#ifndef FAIRLEAD_BASE_LIST_H
#define FAIRLEAD_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct fl_list {
	struct fl_list *next, *prev;
};

#define FL_CONTAINER(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline void fl_list_init(struct fl_list *head)
{
	head->next = head->prev = head;
}

static inline bool fl_list_empty(const struct fl_list *head)
{
	return head->next == head;
}

/** Append @p node before @p head, that is at the end. */
static inline void fl_list_append(struct fl_list *head, struct fl_list *node)
{
	node->prev = head->prev;
	node->next = head;
	head->prev->next = node;
	head->prev = node;
}

/** Take @p node out; it is left empty, so a second removal is harmless. */
static inline void fl_list_remove(struct fl_list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	fl_list_init(node);
}

#endif
