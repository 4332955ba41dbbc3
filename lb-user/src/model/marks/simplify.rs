//! Takes out of a program what changes nothing.

use lb_common::marks::{END, MarkNode};

/// The same program without the nodes that lead to the same place whatever the packet is, and without those that
/// nothing leads to. Jumps go forward before and after.
pub(super) fn simplify(mut nodes: Vec<MarkNode>) -> Vec<MarkNode> {
    // Where a jump to each node really leads.
    let mut leads = vec![END; nodes.len()];
    for index in (0..nodes.len()).rev() {
        let Some(node) = nodes.get_mut(index) else { break };
        (node.hit, node.miss) = (follow(&leads, node.hit), follow(&leads, node.miss));
        if tests_nothing(node) {
            node.miss = node.hit;
        }
        let pointless = node.hit == node.miss && node.and == u32::MAX && node.xor == 0;
        let lead = if pointless { node.hit } else { index as u32 };
        if let Some(place) = leads.get_mut(index) {
            *place = lead;
        }
    }

    let mut reached = vec![false; nodes.len()];
    let reach = |reached: &mut Vec<bool>, index: u32| {
        if let Some(place) = reached.get_mut(index as usize) {
            *place = true;
        }
    };
    reach(&mut reached, follow(&leads, 0));
    let mut places = vec![END; nodes.len()];
    let mut kept = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        if reached.get(index) == Some(&true) {
            reach(&mut reached, node.hit);
            reach(&mut reached, node.miss);
            if let Some(place) = places.get_mut(index) {
                *place = kept.len() as u32;
            }
            kept.push(*node);
        }
    }
    for node in &mut kept {
        (node.hit, node.miss) = (follow(&places, node.hit), follow(&places, node.miss));
    }
    kept
}

fn follow(places: &[u32], index: u32) -> u32 {
    places.get(index as usize).copied().unwrap_or(END)
}

fn tests_nothing(node: &MarkNode) -> bool {
    let MarkNode { and, xor, hit, miss, .. } = *node;
    *node == MarkNode { and, xor, hit, miss, ..MarkNode::ALWAYS }
}
