// SPDX-License-Identifier: GPL-2.0
/* Functions that stand for C inlines and macros, for the crate `netdev`. */
#include "bindings_helper.h"
#include <linux/rtnetlink.h>
#include <linux/virtio_net.h>

static_assert(sizeof(struct virtio_net_hdr_v1) == NETDEV_HELPER_HEADER_LEN);

/* A packet up to this length is linear: with what the kernel puts around it, it fits a page. */
#define MAX_LINEAR SKB_MAX_HEAD(NET_SKB_PAD + NET_IP_ALIGN)

/* The linear part of a longer packet: room for its headers, the rest is in pages. */
#define LINEAR_PART 256

/* For ETH_ALEN bytes. */
void netdev_helper_random_address(u8 *address)
{
	eth_random_addr(address);
}

void *netdev_helper_private(struct net_device *dev)
{
	return netdev_priv(dev);
}

/*
 * The fields of a device that has just been allocated and is about to be registered. Offloads are
 * wanted from the beginning; its operation says which of them are there.
 */
void netdev_helper_prepare(struct net_device *dev, const struct net_device_ops *ops,
			   unsigned int mtu, netdev_features_t offloads)
{
	dev->netdev_ops = ops;
	dev->pcpu_stat_type = NETDEV_PCPU_STAT_DSTATS;
	dev->mtu = mtu;
	dev->min_mtu = ETH_MIN_MTU;
	dev->max_mtu = mtu;
	dev->hw_features = offloads;
	dev->features = offloads;
	eth_hw_addr_random(dev);
}

void netdev_helper_set_parent(struct net_device *dev, struct device *parent)
{
	SET_NETDEV_DEV(dev, parent);
}

/* A device that is being renamed at this moment may show a mixture of both names. */
void netdev_helper_copy_name(const struct net_device *dev, char *name, size_t size)
{
	strscpy(name, netdev_name(dev), size);
}

bool netdev_helper_is_running(const struct net_device *dev)
{
	return netif_running(dev);
}

void netdev_helper_update_features(struct net_device *dev)
{
	rtnl_lock();
	netdev_update_features(dev);
	rtnl_unlock();
}

void netdev_helper_napi_add(struct net_device *dev, struct napi_struct *napi,
			    int (*poll)(struct napi_struct *napi, int budget))
{
	netif_napi_add(dev, napi, poll);
}

void netdev_helper_napi_remove(struct napi_struct *napi)
{
	netif_napi_del(napi);
}

/* The soft interrupt runs when bottom halves are enabled again, not at some later interrupt. */
void netdev_helper_napi_schedule(struct napi_struct *napi)
{
	local_bh_disable();
	napi_schedule(napi);
	local_bh_enable();
}

void netdev_helper_napi_receive(struct napi_struct *napi, struct sk_buff *skb)
{
	napi_gro_receive(napi, skb);
}

void netdev_helper_start_queues(struct net_device *dev)
{
	netif_tx_start_all_queues(dev);
}

void netdev_helper_stop_queue(struct net_device *dev, u16 queue)
{
	netif_stop_subqueue(dev, queue);
}

void netdev_helper_wake_queue(struct net_device *dev, u16 queue)
{
	if (__netif_subqueue_stopped(dev, queue))
		netif_wake_subqueue(dev, queue);
}

/* Under the transmit lock, before the packet can be completed. */
void netdev_helper_sent(struct net_device *dev, u16 queue, unsigned int bytes)
{
	netdev_tx_sent_queue(netdev_get_tx_queue(dev, queue), bytes);
}

/* Completions must not overlap, so they take the lock of the queue's list of packets. */
void netdev_helper_completed(struct net_device *dev, u16 queue, unsigned int bytes,
			     struct sk_buff_head *list)
{
	unsigned long flags;

	spin_lock_irqsave(&list->lock, flags);
	/* The number of packets is not looked at. */
	netdev_tx_completed_queue(netdev_get_tx_queue(dev, queue), 1, bytes);
	spin_unlock_irqrestore(&list->lock, flags);
}

/* Waits for all transmissions that have begun. Context: process or bottom half. */
void netdev_helper_synchronize_transmit(struct net_device *dev)
{
	netif_tx_lock_bh(dev);
	netif_tx_unlock_bh(dev);
}

/* The counters belong to a processor and are updated with bottom halves off. */
void netdev_helper_count_transmitted(struct net_device *dev, unsigned int bytes)
{
	local_bh_disable();
	dev_dstats_tx_add(dev, bytes);
	local_bh_enable();
}

void netdev_helper_count_transmit_drop(struct net_device *dev)
{
	local_bh_disable();
	dev_dstats_tx_dropped(dev);
	local_bh_enable();
}

void netdev_helper_count_received(struct net_device *dev, unsigned int bytes)
{
	local_bh_disable();
	dev_dstats_rx_add(dev, bytes);
	local_bh_enable();
}

void netdev_helper_count_receive_drop(struct net_device *dev)
{
	local_bh_disable();
	dev_dstats_rx_dropped(dev);
	local_bh_enable();
}

static struct sk_buff *alloc_linear(struct net_device *dev, unsigned int length)
{
	struct sk_buff *skb = __netdev_alloc_skb_ip_align(dev, length, GFP_KERNEL);

	if (skb)
		skb_put_zero(skb, length);
	return skb;
}

static struct sk_buff *alloc_paged(struct net_device *dev, unsigned int length)
{
	const unsigned int reserved = NET_SKB_PAD + NET_IP_ALIGN;
	const unsigned int paged = length - LINEAR_PART;
	struct sk_buff *skb;
	int error;

	/* Falls back to single pages, of which a packet can have more than 64 KiB. */
	skb = alloc_skb_with_frags(reserved + LINEAR_PART, paged, PAGE_ALLOC_COSTLY_ORDER, &error,
				   GFP_KERNEL | __GFP_ZERO);
	if (!skb)
		return NULL;
	skb_reserve(skb, reserved);
	skb_put(skb, LINEAR_PART);
	skb->len += paged;
	skb->data_len = paged;
	skb->dev = dev;
	return skb;
}

/* A packet of zeroes. */
struct sk_buff *netdev_helper_skb_alloc(struct net_device *dev, unsigned int length)
{
	return length <= MAX_LINEAR ? alloc_linear(dev, length) : alloc_paged(dev, length);
}

void netdev_helper_skb_free(struct sk_buff *skb)
{
	dev_kfree_skb_any(skb);
}

void netdev_helper_skb_consume(struct sk_buff *skb)
{
	dev_consume_skb_any(skb);
}

/* Returns where byte OFFSET is, and how many bytes there are from it on; NULL if there is none. */
void *netdev_helper_skb_piece(struct sk_buff *skb, unsigned int offset, unsigned int *length)
{
	const struct skb_shared_info *shared = skb_shinfo(skb);

	if (offset < skb_headlen(skb)) {
		*length = skb_headlen(skb) - offset;
		return skb->data + offset;
	}
	offset -= skb_headlen(skb);
	for (int i = 0; i < shared->nr_frags; i++) {
		const skb_frag_t *frag = &shared->frags[i];

		if (offset < skb_frag_size(frag)) {
			*length = skb_frag_size(frag) - offset;
			return skb_frag_address(frag) + offset;
		}
		offset -= skb_frag_size(frag);
	}
	return NULL;
}

/*
 * Has the packet be what its header says, a `struct virtio_net_hdr_v1` of somebody who may lie: it is
 * checked against the packet. What is refused can only be freed.
 */
int netdev_helper_skb_accept(struct sk_buff *skb, struct net_device *dev, const u8 *header)
{
	struct virtio_net_hdr hdr;

	/* The rest is checked by the type of the frame, which the device finds, and by what is behind. */
	if (!pskb_may_pull(skb, ETH_HLEN))
		return -EINVAL;
	skb->dev = dev;
	skb_set_network_header(skb, ETH_HLEN);
	memcpy(&hdr, header, sizeof(hdr));
	return virtio_net_hdr_to_skb(skb, &hdr, true);
}

/* The header that tells what the packet is; -EINVAL if there is none for it. */
int netdev_helper_skb_describe(const struct sk_buff *skb, bool has_data_valid, u8 *header)
{
	struct virtio_net_hdr hdr;
	int error = virtio_net_hdr_from_skb(skb, &hdr, true, has_data_valid, 0);

	memcpy(header, &hdr, sizeof(hdr));
	return error;
}

/* Returns NULL, and does nothing, when the linear part is shorter. */
void *netdev_helper_skb_pull(struct sk_buff *skb, unsigned int length)
{
	return length > skb_headlen(skb) ? NULL : skb_pull(skb, length);
}

u16 netdev_helper_skb_queue(const struct sk_buff *skb)
{
	return skb_get_queue_mapping(skb);
}

/* One of so many queues, the same one for all packets of a flow. */
u16 netdev_helper_skb_pick_queue(struct sk_buff *skb, u16 count)
{
	return reciprocal_scale(skb_get_hash(skb), count);
}

/*
 * Cuts the packet off from the socket and the pages that it was sent from: it may wait for the
 * other side, which is not trusted to take it soon. Returns false when there is no memory.
 */
bool netdev_helper_skb_detach(struct sk_buff *skb)
{
	if (skb_orphan_frags_rx(skb, GFP_ATOMIC))
		return false;
	skb_tx_timestamp(skb);
	skb_orphan(skb);
	nf_reset_ct(skb);
	return true;
}

void netdev_helper_skb_set_protocol(struct sk_buff *skb, struct net_device *dev)
{
	skb->protocol = eth_type_trans(skb, dev);
}

void netdev_helper_list_init(struct sk_buff_head *list)
{
	skb_queue_head_init(list);
}

void netdev_helper_list_purge(struct sk_buff_head *list)
{
	skb_queue_purge(list);
}

u32 netdev_helper_list_len(const struct sk_buff_head *list)
{
	return skb_queue_len_lockless(list);
}
