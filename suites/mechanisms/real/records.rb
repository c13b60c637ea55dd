# SPDX-License-Identifier: MIT
# records.rb - ActiveRecord and Sequel with threads, transactions, migrations and forks, for healthy_real.py:
#     records.rb active_record | sequel | plain
require "fileutils"

ROWS = 20

def active_record
  require "active_record"
  ActiveRecord::Base.establish_connection(adapter: "sqlite3", database: "app.db", pool: 6, timeout: 50)
  ActiveRecord::Schema.verbose = false
  ActiveRecord::Schema.define do
    create_table(:authors) { |t| t.string :name }
    create_table(:notes) { |t| t.belongs_to :author; t.string :text; t.timestamps }
    add_index :notes, :text
  end
  author = Class.new(ActiveRecord::Base) { self.table_name = "authors" }
  note = Class.new(ActiveRecord::Base) { self.table_name = "notes" }
  threads = 4.times.map do |number|
    Thread.new do
      ROWS.times do
        ActiveRecord::Base.connection_pool.with_connection do
          note.transaction do
            someone = author.create!(name: number.to_s)
            note.create!(author_id: someone.id, text: "t")
          end
        rescue ActiveRecord::StatementInvalid # busy: the driver waits without letting other threads run
          retry
        end
      end
    end
  end
  threads.each(&:join)
  raise "lost" unless note.count == 4 * ROWS
  note.transaction { note.delete_all; raise ActiveRecord::Rollback }
  ActiveRecord::Base.clear_all_connections!
  pid = fork do # as the hooks of forking servers do: nothing was open, and the child connects anew
    ActiveRecord::Base.establish_connection(adapter: "sqlite3", database: "app.db", timeout: 20_000)
    note.create!(text: "child")
    ActiveRecord::Base.connection.disconnect!
    exit!(0)
  end
  Process.wait(pid)
  raise "child" unless $?.success? && note.count == 4 * ROWS + 1
end

def sequel
  require "sequel"
  db = Sequel.sqlite("app.db", timeout: 50, max_connections: 4)
  db.run("PRAGMA journal_mode = WAL")
  db.create_table(:notes) { primary_key :id; String :text }
  insert = lambda do |text|
    db.transaction(mode: :immediate) { db[:notes].insert(text: text) }
  rescue Sequel::DatabaseError # busy: the driver waits without letting other threads run
    retry
  end
  4.times.map { |n| Thread.new { ROWS.times { insert.call(n.to_s) } } }.each(&:join)
  raise "lost" unless db[:notes].count == 4 * ROWS
  db.alter_table(:notes) { add_column :more, Integer }
  db.disconnect
  pids = 2.times.map { fork { ROWS.times { insert.call("child") }; db.disconnect; exit!(0) } }
  pids.each { |pid| Process.wait(pid) }
  raise "children" unless db[:notes].count == 6 * ROWS
end

def plain
  require "sqlite3"
  db = SQLite3::Database.new("app.db")
  db.execute("PRAGMA journal_mode=wal")
  db.execute("CREATE TABLE t(a)")
  ROWS.times { db.execute("INSERT INTO t VALUES (1)") }
  db.close
end

begin
  send(ARGV.fetch(0))
rescue LoadError => error
  warn error.message
  exit!(77)
end
