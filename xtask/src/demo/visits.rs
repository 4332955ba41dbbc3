//! Real clients connect, and tell who answered.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::lab::{Answer, Client, Lab};

/// Clients by columns: who answered whom. A row may be shorter than there are columns.
#[derive(Debug, Default)]
pub(super) struct Visits {
    columns: Vec<String>,
    rows: Vec<(Client, Vec<Option<Answer>>)>,
}

impl Visits {
    /// Every client, one after the other, connects to each of the ports in their order.
    pub(super) fn to_ports(lab: &Lab, clients: &[Client], ports: &[u16]) -> Result<Self> {
        let mut visits = Self { columns: ports.iter().map(|port| format!(":{port}")).collect(), rows: Vec::new() };
        for &client in clients {
            let answers = ports.iter().map(|&port| lab.visit(client, port).map(Some));
            visits.rows.push((client, answers.collect::<Result<_>>()?));
        }
        Ok(visits)
    }

    /// Adds a column: these clients connect to a port; those not in the table yet get a row.
    pub(super) fn add(&mut self, lab: &Lab, title: &str, clients: &[Client], port: u16) -> Result<()> {
        let column = self.columns.len();
        self.columns.push(title.to_owned());
        for &client in clients {
            let answer = lab.visit(client, port)?;
            let index = self.rows.iter().position(|(known, _)| *known == client).unwrap_or_else(|| {
                self.rows.push((client, Vec::new()));
                self.rows.len() - 1
            });
            if let Some((_, answers)) = self.rows.get_mut(index) {
                answers.resize(column, None);
                answers.push(Some(answer));
            }
        }
        Ok(())
    }

    /// The answers of a column, in the order of the clients.
    pub(super) fn column(&self, index: usize) -> Vec<&Answer> {
        self.rows.iter().filter_map(|(_, answers)| answers.get(index)?.as_ref()).collect()
    }

    /// Whether every client got the same real server in all of these columns.
    pub(super) fn same(&self, columns: &[usize]) -> bool {
        self.rows.iter().all(|(_, answers)| {
            let mut of_client = columns.iter().map(|&column| answers.get(column).and_then(Option::as_ref));
            let first = of_client.next().flatten();
            matches!(first, Some(Answer::From(_))) && of_client.all(|answer| answer == first)
        })
    }

    /// Prints the table.
    pub(super) fn print(&self) {
        let cells = |name: &str, cells: Vec<String>| {
            let cells: Vec<_> = cells.iter().map(|cell| format!("{cell:<9}")).collect();
            println!("     {name:<18}{}", cells.concat().trim_end());
        };
        cells("client", self.columns.clone());
        for (client, answers) in &self.rows {
            let answers = answers.iter().map(|answer| answer.as_ref().map_or_else(String::new, Answer::to_string));
            cells(&client.address.to_string(), answers.collect());
        }
    }
}

/// Whether the answers follow a scheduler's cycle from its start.
pub(super) fn follows(answers: &[&Answer], cycle: &[&str]) -> bool {
    let expected = cycle.iter().cycle().map(|&server| Answer::From(server.to_owned()));
    answers.iter().zip(expected).all(|(&answer, server)| *answer == server)
}

/// How often each one answered: `r1 4, r2 2`.
pub(super) fn tally(answers: &[&Answer]) -> String {
    let mut counts = BTreeMap::<String, u32>::new();
    for answer in answers {
        *counts.entry(answer.to_string()).or_default() += 1;
    }
    counts.iter().map(|(server, count)| format!("{server} {count}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn a_cycle_is_followed_exactly() {
        let answers = ["r2", "r1", "r1", "r2", "r1"].map(|server| Answer::From(server.to_owned()));
        let answers: Vec<_> = answers.iter().collect();
        assert!(follows(&answers, &["r2", "r1", "r1"]));
        assert!(!follows(&answers, &["r2", "r1"]));
        assert_eq!(tally(&answers), "r1 3, r2 2");
    }

    #[test]
    fn a_client_without_an_answer_did_not_stay_with_its_server() {
        let client = Client { host: "c1", address: IpAddr::from([10, 0, 0, 60]) };
        let visits = Visits { columns: Vec::new(), rows: vec![(client, vec![Some(Answer::Silence); 2])] };
        assert!(!visits.same(&[0, 1]));
    }
}
